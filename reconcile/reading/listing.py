"""Pages of a window as the provider gives them, guarded against listings that never end, and fetched one ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from reconcile.connector import Page
from reconcile.errors import BadAnswer
from reconcile.model import Item, Snapshot, Window

#: Empty pages in a row that still name a next one: more is not a listing but a loop with new names.
MOST_EMPTY_PAGES = 100
#: Pages of one window: far beyond what a window cut to the provider's finest step can hold.
MOST_PAGES = 10_000
#: Passes over a window whose list moves; one that still shows something new proves that there is more to come.
MOST_PASSES = 6
#: What stands for the next page where the list begins anew.
ANEW = "anew"


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


def agreed(passes: Callable[[], Iterator[Page]], window: Window, where: str) -> Iterator[Page]:
    """The pages of a list that moves while it is read, again and again until a pass shows nothing of `window` that no
    pass before it showed (C7).

    An item that leaves its place pulls those behind it forward, over the edge of a page that was read already; also one
    of the times around `window`, which are listed with it. Of every pass but the first only what is new is given.
    `BadAnswer` if there is always something more.
    """
    marks: set[tuple[str, int]] = set()
    inside: set[str] = set()
    following: str | None
    for number in range(MOST_PASSES):
        known, following, length = len(inside), ANEW, 0
        for page in guarded(passes(), where):
            length += 1
            news = [item for item in page.items if _mark(item) not in marks] if number else page.items
            marks.update(map(_mark, page.items))
            inside.update(_name(item) for item in news if item.at in window)
            following = page.next
            if news or not number:
                yield Page(news, following or ANEW)
        if following is not None:
            return  # it broke off: whoever reads it sees that no page was the last
        # The first pass agrees with no other, unless there is no edge to slip over.
        if len(inside) == known and (number or length == 1):
            yield Page((), None)
            return
    raise BadAnswer(f"{where}: its pages move faster than they can be read: {MOST_PASSES} passes each showed more")


def _name(item: Item) -> str:
    return item.subject.id if isinstance(item, Snapshot) else item.id


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
