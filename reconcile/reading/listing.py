"""Pages of a window as the provider gives them, guarded against listings that never end, and fetched one ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from reconcile.connector import Page
from reconcile.errors import BadAnswer
from reconcile.model import Item, Snapshot

#: Empty pages in a row that still name a next one: more is not a listing but a loop with new names.
MOST_EMPTY_PAGES = 100
#: Pages of one window: far beyond what a window cut to the provider's finest step can hold.
MOST_PAGES = 10_000


def guarded(pages: Iterator[Page], where: str) -> Iterator[Page]:
    """The same pages; `BadAnswer` for a cursor or a page seen before, or for pages without end (C8).

    A repeated cursor is caught before it is followed, whatever the length of the loop.
    """
    cursors: set[str] = set()
    prints: set[int] = set()
    empty = 0
    for number, page in enumerate(pages, 1):
        fingerprint = hash(tuple(_mark(item) for item in page.items))
        if page.items and fingerprint in prints:
            raise BadAnswer(f"{where}: pagination_loop: a page came twice; nothing after it can be trusted")
        if page.next is not None and page.next in cursors:
            raise BadAnswer(f"{where}: pagination_loop: the next page is one that was read already")
        empty = 0 if page.items else empty + 1
        if empty > MOST_EMPTY_PAGES:
            raise BadAnswer(f"{where}: pagination_loop: {empty} empty pages in a row")
        if number > MOST_PAGES:
            raise BadAnswer(f"{where}: pagination_loop: more than {MOST_PAGES} pages")
        prints.add(fingerprint)
        if page.next is not None:
            cursors.add(page.next)
        yield page


def _mark(item: Item) -> tuple[str, int]:
    return (item.subject.id, item.version) if isinstance(item, Snapshot) else (item.id, 0)


def ahead(pages: Iterator[Page]) -> Iterator[Page]:
    """The same pages, the next one being fetched while the last is judged."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as pool:
        coming = pool.submit(next, pages, None)
        while (page := coming.result()) is not None:
            if page.next is not None:
                coming = pool.submit(next, pages, None)
            yield page
            if page.next is None:
                return
