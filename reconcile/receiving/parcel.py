"""A genuine delivery made ready for the ledger, and its way in. Parsing is guarded, not trusted: a delivery that cannot
be read is stored all the same, dead, with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reconcile import failpoints, inbox
from reconcile.book import Book, digest, subject_of
from reconcile.config import SourceConfig
from reconcile.connector import Connector, Delivery, Identity, Receives
from reconcile.inbox import How
from reconcile.ledger import Ledger, events, gaps, subjects
from reconcile.ledger.ledger import Tx
from reconcile.model import Arrival, Description, EventState, GapKind, Occurrence, Origin, Subject
from reconcile.names import LONGEST_NAME, clean, is_too_long
from reconcile.receiving.answer import Answer
from reconcile.receiving.versions import Versions
from reconcile.topics import Topics
from reconcile.transactions.telling import told


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery on its way into the ledger. `unreadable` is why its body cannot be read, empty if it can.

    Two deliveries that share one of `names` may be the same: they must not be entered together.
    """

    book: Book
    arrival: Arrival
    unreadable: str
    versions: Versions
    names: tuple[tuple[str, str | bytes], ...]


def pack(source: SourceConfig, connector: Connector, delivery: Delivery, identity: Identity, seen: Versions) -> Parcel:
    """What a verified and identified delivery is stored as."""
    identity = _short(identity)
    described, unreadable = _describe(connector, delivery, identity)
    arrival = Arrival(
        id=identity.id,
        description=described,
        body=delivery.body,
        origin=Origin.LIVE,
        headers=delivery.headers,
        carried=described.version,
        reports=() if unreadable else told(source, connector, described.topic, delivery.body),
    )
    book = _book(source, connector, described.topic, unreadable)
    return Parcel(book, arrival, unreadable, seen, _names(book, arrival))


def _names(book: Book, arrival: Arrival) -> tuple[tuple[str, str | bytes], ...]:
    by_id = (book.source, clean(arrival.id))
    return (by_id, (book.source, digest(arrival.body))) if book.repeats_by_bytes else (by_id,)


def store(ledger: Ledger, parcels: Sequence[Parcel]) -> list[Answer]:
    """Enter all of `parcels` in one commit, or none; what to answer each. Raises `LedgerError`."""
    failpoints.reach("inbox.before_store")
    with ledger.write() as tx:
        answers = _enter(tx, parcels)
    failpoints.reach("inbox.stored")
    return answers


def _enter(tx: Tx, parcels: Sequence[Parcel]) -> list[Answer]:
    # By source, then by book: in one order everywhere, so that two receivers never wait for each other's subjects.
    order = sorted(range(len(parcels)), key=lambda place: _rank(parcels[place]))
    found: dict[int, Answer] = {}
    for source, of_source in groupby(order, key=lambda place: parcels[place].book.source):
        places = list(of_source)
        if len({parcels[place].book for place in places}) > 1:
            subjects.lock(tx, source, sorted({subject_of(parcels[place].arrival) for place in places}, key=str))
        for book, of_book in groupby(places, key=lambda place: parcels[place].book):
            found |= _record(tx, book, {place: parcels[place] for place in of_book})
    return [found[place] for place in range(len(parcels))]


def _rank(parcel: Parcel) -> tuple[str, str]:
    return parcel.book.source, parcel.book.state


def _record(tx: Tx, book: Book, parcels: dict[int, Parcel]) -> dict[int, Answer]:
    recorded = inbox.record(tx, book, [parcel.arrival for parcel in parcels.values()])
    for parcel, result in zip(parcels.values(), recorded, strict=True):
        if parcel.unreadable and result.how is How.NEW:
            _bury(tx, book.source, parcel.arrival.id, result.seq, parcel.unreadable)
        # Not of a repeat: its headers are not signed everywhere, and anybody may send it with another version in them.
        if result.how is not How.DUPLICATE:
            parcel.versions.see(tx, book.source, parcel.arrival.description)
    return {place: Answer(200, result.how, result.seq) for place, result in zip(parcels, recorded, strict=True)}


def _bury(tx: Tx, source: str, id_: str, seq: int, reason: str) -> None:
    events.change(tx, seq, error=reason)
    gaps.open_(tx, source=source, kind=GapKind.DEAD, key=clean(id_), reason=reason, seq=seq)


def _describe(connector: Connector, delivery: Delivery, identity: Identity) -> tuple[Description, str]:
    """What the body says; if it cannot be read, a bare description and why."""
    assert isinstance(connector, Receives)  # noqa: S101 - narrows for mypy; the caller has asked
    try:
        return _within_bounds(connector.describe(identity.topic, delivery.body, delivery.headers)), ""
    except Exception as error:  # noqa: BLE001 - hostile or broken bodies must never lose a genuine delivery
        described = Description(identity.topic, None, Occurrence.REPEATED, occurred_at=delivery.received_at)
        return described, f"the body cannot be read: {type(error).__name__}: {error}"[:500]


def _short(identity: Identity) -> Identity:
    """The same, with what is too long for an index cut, its digest in place of the rest."""
    return Identity(*(_cut(text) if is_too_long(text) else text for text in (identity.id, identity.topic)))


def _cut(text: str) -> str:
    return f"{text[:64]}~{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _within_bounds(described: Description) -> Description:
    subject = described.subject or Subject("", "")
    if any(map(is_too_long, (described.topic, subject.type, subject.id, described.occurrence))):
        raise ValueError(f"it names something by more than {LONGEST_NAME} bytes")
    return described


def _book(source: SourceConfig, connector: Connector, topic: str, unreadable: str) -> Book:
    topics = Topics(source.webhook.topics if source.webhook else ())
    wanted = source.handler is not None and topic in topics
    state = EventState.DEAD if unreadable else EventState.WAITING if wanted else EventState.IGNORED
    return Book(source.name, state, subscribed=topics.exact, repeats_by_bytes=not connector.facts.stable_ids)
