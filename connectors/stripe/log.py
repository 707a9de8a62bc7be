"""The event log, oldest first.

Stripe lists newest first. The only way forward in time is `ending_before`: each page is still newest first inside,
but pages move towards now (stripe-python reverses each of them just so). It needs an event to start from: the newest
one before the window. Where there is none (a new account, the edge of the 30 days) the window is walked backwards.

An event may show late. Within `settle` no window is read, and what was read too early is read again (`overlap`), so
one that slips in behind the cursor is found then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from connectors.stripe.delivery import described
from connectors.stripe.paging import Lister, RawPage, at, created_in, insist, unix
from connectors.stripe.shapes import LoggedHead
from connectors.stripe.topics import type_filter
from reconcile.connector import Page
from reconcile.errors import BadAnswer, Rejected
from reconcile.http import ProviderClient
from reconcile.model import EPOCH, LoggedEvent, Subject, Window

PATH = "/v1/events"
_EVENT = msgspec.json.Decoder(LoggedHead)
_KEPT_PAGES = 25  # held in memory while walking backwards: about 2500 events, some megabytes
_NO_HEADERS: Mapping[str, str] = {}


class _Chunk(NamedTuple):
    """A page oldest first. `more` says whether the listing goes on beyond its newer (or older) end."""

    events: list[LoggedEvent]
    more: bool


def pages(
    client: ProviderClient, account: str, window: Window, topics: Sequence[str], cursor: str | None
) -> Iterator[Page]:
    """Every page of `window`; the cursor is the newest event already yielded."""
    for page in _pages(client, account, window, topics, cursor):
        insist(PATH, window, (event.at for event in page.items))
        yield page


def _pages(
    client: ProviderClient, account: str, window: Window, topics: Sequence[str], cursor: str | None
) -> Iterator[Page]:
    if cursor is not None:
        try:
            first = _chunk(_lister(client, account, window, topics).page(extra=[("ending_before", cursor)]))
        except Rejected as error:
            if error.status not in (400, 404):
                raise
            # The log has forgotten the cursor's event: the window starts over, repeats are dropped by the core.
        else:
            yield from _forward(_lister(client, account, window, topics), first)
            return
    lister = _lister(client, account, window, topics)
    anchor = _newest_before(client, account, window, topics)
    if anchor is None:
        yield from _backward(lister)
    else:
        yield from _forward(lister, _chunk(lister.page(extra=[("ending_before", anchor)])))


def _lister(client: ProviderClient, account: str, window: Window, topics: Sequence[str]) -> Lister:
    return Lister(client, PATH, account, [*created_in(window), *type_filter(topics)])


def _newest_before(client: ProviderClient, account: str, window: Window, topics: Sequence[str]) -> str | None:
    asked = [("created[lt]", str(unix(window.start))), *type_filter(topics)]
    found = _chunk(Lister(client, PATH, account, asked).page(limit=1)).events
    # Begun from an event of the window, the listing would lack all before it.
    insist(PATH, Window(EPOCH, at(unix(window.start))), (event.at for event in found))
    return found[-1].id if found else None


def _forward(lister: Lister, chunk: _Chunk) -> Iterator[Page]:
    while chunk.more:
        newest = chunk.events[-1].id
        yield Page(chunk.events, newest)
        chunk = _chunk(lister.page(extra=[("ending_before", newest)]))
    yield Page(chunk.events, None)


def _backward(lister: Lister) -> Iterator[Page]:
    """Walk to the oldest event, keeping the last pages; what fell out of memory is then read forwards."""
    kept: deque[list[LoggedEvent]] = deque(maxlen=_KEPT_PAGES)
    walked, oldest = 0, set[str]()
    chunk = _chunk(lister.page())
    while True:
        walked += 1
        kept.append(chunk.events)
        if not chunk.more:
            break
        last = chunk.events[0].id
        if last in oldest:
            raise BadAnswer(f"{PATH}: pagination_loop: a page came twice")
        oldest.add(last)
        chunk = _chunk(lister.page(extra=[("starting_after", last)]))
    forgot = walked > len(kept)
    while kept:
        events = kept.pop()
        if events or not (kept or forgot):
            yield Page(events, events[-1].id if kept or forgot else None)
    if forgot:
        yield from _forward(lister, _chunk(lister.page(extra=[("ending_before", events[-1].id)])))


def _chunk(page: RawPage) -> _Chunk:
    return _Chunk([_logged(raw) for raw in reversed(page.data)], page.has_more)


def _logged(raw: msgspec.Raw) -> LoggedEvent:
    try:
        head = _EVENT.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadAnswer(f"{PATH} listed an entry that cannot be read: {error}") from None
    body, when = bytes(raw), at(head.created)
    about = head.data.object
    subject = Subject(about.object, about.id) if about.id else None
    description = described(head.type, subject, when, head.api_version, body)
    return LoggedEvent(head.id, when, description, body, _NO_HEADERS)
