"""The one door in: every event, whatever road it came by, is recorded here and nowhere else.

A rebuilt event is recorded only if nothing holds its fact; a delivery of a fact that a rebuilt event already
holds is absorbed by it, once. Both happen with the subject's row locked, so live and backfill cannot both win.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconcile.book import Book, beginning, contents, digest, key_of, names_of, row_of, subject_of
from reconcile.ledger import events, gaps, recognition, subjects
from reconcile.ledger.ledger import Tx
from reconcile.ledger.recognition import Held
from reconcile.model import Arrival, EventState, GapKind, Occurrence, Origin, Subject, micros
from reconcile.names import clean
from reconcile.transactions import hearing
from reconcile.transactions.decide import Road


class How(StrEnum):
    """What became of an arrival."""

    NEW = "new"
    DUPLICATE = "duplicate"  # the same delivery came before
    ABSORBED = "absorbed"  # a rebuilt event of its fact was done already
    REPLACED = "replaced"  # it took the place of a rebuilt event not yet done
    HELD = "held"  # a rebuilt event nobody needs: its fact is held
    REVIVED = "revived"  # it came before, when nobody wanted it, and goes its way now


@dataclass(frozen=True, slots=True)
class Recorded:
    """The row an arrival ended in, and how."""

    seq: int
    how: How


def record(tx: Tx, book: Book, arrivals: Sequence[Arrival]) -> list[Recorded]:
    """Enter arrivals in order; one result each. Call it in a `ledger.write()` and commit before answering anyone."""
    subjects.lock(tx, book.source, sorted({subject_of(arrival) for arrival in arrivals}, key=str))
    known = recognition.by_id(tx, book.source, [name for arrival in arrivals for name in names_of(book, arrival)])
    facts = recognition.by_fact(tx, book.source, sorted({key for arrival in arrivals if (key := key_of(arrival))}))
    versions = _versions(tx, book, arrivals)
    repeats = _repeats(tx, book, arrivals)
    results: dict[int, Recorded] = {}
    fresh: list[int] = []
    for place, arrival in enumerate(arrivals):
        same = next((known[name] for name in names_of(book, arrival) if name in known), repeats.get(place))
        holders = facts.get(key_of(arrival), [])
        settled = _settle(tx, book, arrival, known, same, holders, versions.get(place))
        if settled is None:
            fresh.append(place)
            continue
        results[place] = settled
        # Two deliveries of one fact in one page: the rebuilt event absorbs the first only.
        facts[key_of(arrival)] = [held for held in facts.get(key_of(arrival), []) if held.seq != settled.seq]
    results |= _insert(tx, book, arrivals, fresh)
    # Held against what was known before: of what comes together, each tells in its turn.
    hearing.hear(tx, book.source, [one for arrival in arrivals for one in arrival.reports], Road.EVENT)
    subjects.raise_versions(tx, book.source, list(_newer_versions(arrivals)))
    return [results[place] for place in range(len(arrivals))]


def _newer_versions(arrivals: Iterable[Arrival]) -> Iterable[tuple[Subject, int]]:
    for arrival in arrivals:
        if arrival.description.subject and arrival.description.version is not None:
            yield subject_of(arrival), arrival.description.version


def _versions(tx: Tx, book: Book, arrivals: Sequence[Arrival]) -> dict[int, Held]:
    """For the place of each rebuilt state event, the event that already accounts for its version."""
    places, asked = [], []
    for place, arrival in enumerate(arrivals):
        if arrival.reconstructed and arrival.description.kind is Occurrence.STATE:
            subject = subject_of(arrival)
            places.append(place)
            asked.append((subject.type, subject.id, arrival.description.version or 0))
    if not asked:
        return {}
    found = recognition.by_version(tx, book.source, book.subscribed, asked)
    return {places[n]: held for n, held in found.items()}


def _repeats(tx: Tx, book: Book, arrivals: Sequence[Arrival]) -> dict[int, Held]:
    """For the place of each delivery whose bytes came before, where ids change, the event that they came as."""
    by_topic: dict[str, dict[bytes, list[int]]] = {}
    for place, arrival in enumerate(arrivals):
        if book.repeats_by_bytes and not arrival.reconstructed:
            asked = by_topic.setdefault(clean(arrival.description.topic), {})
            asked.setdefault(digest(arrival.body), []).append(place)
    return {
        place: held
        for topic, asked in by_topic.items()
        for found, held in recognition.by_bytes(tx, book.source, topic, asked).items()
        for place in asked[found]
    }


def _settle(
    tx: Tx,
    book: Book,
    arrival: Arrival,
    known: Mapping[str, Held],
    same: Held | None,
    holders: Sequence[Held],
    carrier: Held | None,
) -> Recorded | None:
    """What an arrival is if it is not new. `same` is the event it is known by already, `carrier` a version's."""
    if arrival.reconstructed:
        holder = same or carrier or _holding(holders)
        return _known(tx, book, arrival, holder, How.HELD) if holder else None
    if same is not None and clean(arrival.id) not in known and book.repeats_by_bytes:
        events.alias(tx, book.source, clean(arrival.id), same.seq)
    if same is not None:
        if arrival.origin is Origin.LIVE:
            events.count_duplicate(tx, same.seq)
        return _known(tx, book, arrival, same, How.DUPLICATE)
    rebuilt = next((held for held in holders if held.reconstructed and not held.absorbed), None)
    if rebuilt is None or _happened_since(tx, arrival, rebuilt):
        return None
    return _absorb(tx, book, arrival, rebuilt)


def _holding(holders: Sequence[Held]) -> Held | None:
    """The event that speaks for a fact: one that was wanted, if there is any."""
    return min(holders, key=lambda held: held.state is EventState.IGNORED, default=None)


def _known(tx: Tx, book: Book, arrival: Arrival, held: Held, how: How) -> Recorded:
    """What is recorded already stays as it is, but recorded is not handled: what nobody wanted when it came is wanted
    now, because its topic was subscribed to or the source got a handler since.
    """
    if held.state is not EventState.IGNORED or book.state in (EventState.IGNORED, EventState.DEAD):
        return Recorded(held.seq, how)
    row = events.get(tx, held.seq)
    lost = {} if row is None or row.body else contents(arrival)  # its own were purged meanwhile
    events.change(tx, held.seq, run_id=book.run_id, stream=book.stream, **beginning(tx, book), **lost)
    return Recorded(held.seq, How.REVIVED)


def _happened_since(tx: Tx, arrival: Arrival, rebuilt: Held) -> bool:
    """Whether a fact that happens again and again did so after an event was rebuilt of it: that is another one."""
    at = arrival.description.occurred_at
    if arrival.description.kind is not Occurrence.REPEATED or at is None:
        return False
    row = events.get(tx, rebuilt.seq)
    return row is not None and bool(at > row.recorded_at)


def _absorb(tx: Tx, book: Book, arrival: Arrival, rebuilt: Held) -> Recorded:
    """Let a rebuilt event absorb the real delivery of its fact: one at most, whatever its state."""
    if rebuilt.state in (EventState.HANDLED, EventState.SUPERSEDED, EventState.IGNORED):
        # Its bytes are kept nowhere else: a repeat of it under another id would be taken for a second happening.
        for name in names_of(book, arrival):
            events.alias(tx, book.source, name, rebuilt.seq)
        # Its own bytes stay; by the delivery's it is recognised when that comes again under another id.
        events.change(tx, rebuilt.seq, absorbed=1, body_hash=digest(arrival.body))
        return Recorded(rebuilt.seq, How.ABSORBED)
    values = contents(arrival) | {"absorbed": 1, "reconstructed": 0}
    if (at := arrival.description.occurred_at) is not None:
        values |= {"occurred_at": at, "position": micros(at)}
    if rebuilt.state is EventState.HELD and arrival.origin is Origin.LIVE:
        values |= {"origin": Origin.LIVE, "state": EventState.WAITING, "next_at": tx.now}
    elif rebuilt.state is EventState.DEAD:
        values |= {"state": book.state, "next_at": tx.now, "attempts": 0, "error": ""}
        gaps.close(tx, book.source, GapKind.DEAD, _own_id(tx, rebuilt.seq), "the provider delivered the real event")
    # An attempt may have been made with the first id: it stays the idempotency key, the new one becomes an alias.
    events.alias(tx, book.source, clean(arrival.id), rebuilt.seq)
    events.change(tx, rebuilt.seq, **values)
    return Recorded(rebuilt.seq, How.REPLACED)


def _own_id(tx: Tx, seq: int) -> str:
    row = events.get(tx, seq)
    return str(row.id) if row else ""


def _insert(tx: Tx, book: Book, arrivals: Sequence[Arrival], places: Sequence[int]) -> dict[int, Recorded]:
    """Insert what is new; an id that comes twice in one page is entered once."""
    added = events.add(
        tx, list({clean(arrivals[place].id): row_of(tx, book, arrivals[place]) for place in places}.values())
    )
    results: dict[int, Recorded] = {}
    for place in places:
        id_ = clean(arrivals[place].id)
        if id_ in added:
            results[place] = Recorded(added.pop(id_), How.NEW)
        else:
            results[place] = Recorded(recognition.by_id(tx, book.source, [id_])[id_].seq, How.DUPLICATE)
    return results
