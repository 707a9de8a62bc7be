"""Deliveries and rebuilt events of one order, and entering them into a ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reconcile import inbox
from reconcile.book import Book
from reconcile.diff import rebuilt
from reconcile.inbox import Recorded
from reconcile.ledger import Ledger, events
from reconcile.model import Arrival, Candidate, Description, EventState, Occurrence, Origin, Subject, iso, micros

T0 = datetime(2024, 5, 1, 10, 0, tzinfo=UTC)
ORDER = Subject("order", "1001")
CREATE, UPDATED, FAILED = "orders/create", "orders/updated", "payment.failed"
KINDS = {CREATE: Occurrence.ONCE, UPDATED: Occurrence.STATE, FAILED: Occurrence.REPEATED}
LIVE = Book("shop", EventState.WAITING, frozenset(KINDS), repeats_by_bytes=True)
HELD = Book("shop", EventState.HELD, frozenset(KINDS), run_id="R", stream="orders")


def live(id_: str, topic: str = CREATE, version: datetime = T0, body: bytes = b'{"id":1001}') -> Arrival:
    """A delivery as it comes."""
    kind = KINDS[topic]
    described = Description(topic, ORDER, kind, _occurrence(kind, version), micros(version), version)
    return Arrival(id_, described, body, Origin.LIVE, carried=micros(version))


def built(topic: str = CREATE, at: datetime = T0, version: datetime | None = None) -> Arrival:
    """An event rebuilt from a listed order, whose version is the time of the fact unless given."""
    kind, seen = KINDS[topic], version or at
    return rebuilt("shop", Candidate(topic, ORDER, kind, at, micros(seen), lambda: b"{}", _occurrence(kind, seen)))


def _occurrence(kind: Occurrence, version: datetime) -> str:
    return iso(version) if kind is Occurrence.STATE else ""


def enter(ledger: Ledger, book: Book, *arrivals: Arrival) -> list[Recorded]:
    """Record them in one commit."""
    with ledger.write() as tx:
        return inbox.record(tx, book, arrivals)


def put(ledger: Ledger, seq: int, **values: Any) -> None:
    """Change an event's row."""
    with ledger.write() as tx:
        events.change(tx, seq, **values)


def row(ledger: Ledger, seq: int) -> Any:
    """An event's row."""
    with ledger.read() as tx:
        return events.get(tx, seq)
