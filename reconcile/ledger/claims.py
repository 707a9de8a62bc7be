"""Claims: which waiting event may be handled now, by whom and until when.

A claim is a lease on one event: owner, fencing number and end, judged by the ledger's clock. Events of one subject
are claimed one at a time, in order; a failing one holds the others for `queue.RETRY_HOLDS` attempts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import TextClause, bindparam, text, update

from reconcile.ledger import bodies, marks, queue
from reconcile.ledger.ledger import Tx
from reconcile.ledger.queue import NOBODY, Hands, Subject, Waiting
from reconcile.ledger.tables import events as table
from reconcile.ledger.types import Instant
from reconcile.model import EventState, Occurrence, micros

#: How long a claim lives unless renewed.
CLAIM_LIFE = timedelta(seconds=30)


class Taken(NamedTuple):
    """An event with what it carries, as its claim left it; times in microseconds since 1970."""

    seq: int
    position: int
    id: str
    source: str
    topic: str
    subject_type: str
    subject_id: str
    kind: str
    version: int | None
    occurred_at: int | None
    origin: str
    reconstructed: int
    api_version: str
    attempts: int
    late: int
    state: str
    claim_owner: str
    claim_fence: int
    headers: bytes | None  # None: it carries nothing, or what it did is kept no longer
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """Events that are ours now, in order, and how many turned out to be superseded instead."""

    rows: list[Taken] = field(default_factory=list)
    superseded: int = 0


def lock(tx: Tx, source: str) -> None:
    """Let one dispatcher at a time choose events of a source, until it commits.

    SQLite has one writer anyway. Take it before any row is changed, so that two dispatchers never wait for each other.
    """
    if tx.dialect == "postgresql":
        key = text("select pg_advisory_xact_lock(hashtextextended('reconcile.claim:' || :source, 0))")
        tx.connection.execute(key, {"source": source})


def claim(
    tx: Tx,
    source: str,
    owner: str,
    limit: int,
    *,
    skip_late: bool = False,
    before: datetime | None = None,
    probe: bool = False,
) -> Claimed:
    """Make up to `limit` events that are due (by `before`, at most now) ours, one per subject, oldest first.

    What a newer handled event makes pointless becomes superseded instead: a rebuilt state; with `skip_late` every
    event but a dated one, which is a happening of its own. An event whose claim was once found abandoned may have
    killed its process: it is claimed only when `owner` has no other, and then alone. A `probe` takes whatever waits
    longest since it was tried, so that no event that cannot work is the only one to be asked about the target.
    """
    lock(tx, source)
    held = queue.hands(tx, source)
    due_by = micros(min(before or tx.now, tx.now))
    found = _probe(tx, source, held, due_by) if probe else _first(tx, source, held, due_by, limit)
    free: list[Any] = []
    outdated: list[Any] = []
    for row in _locked(tx, _apart(held.owners.get(owner, []), found)):
        skipped = row.outdated and (_is_rebuilt_state(row) or _may_skip(row, skip_late))
        (outdated if skipped else free).append(row)
    marks.supersede(tx, [(row.seq, row.attempts) for row in outdated])
    return Claimed(_take(tx, owner, free), len(outdated))


def _first(tx: Tx, source: str, held: Hands, due_by: int, limit: int) -> list[Waiting]:
    """Read as much of the queue's head as it takes to find `limit` events that may go."""
    number, whole = limit * 2, False
    chosen: list[Waiting] = []
    while not whole and len(chosen) < limit:
        events, whole = queue.head(tx, source, number)
        chosen, number = _choose(events, set(held.subjects), due_by, limit), number * 8
    return chosen


def _choose(events: Iterable[Waiting], busy: set[Subject], due_by: int, limit: int) -> list[Waiting]:
    """An event that was passed and the one that passes it may both be due: the older makes its subject busy."""
    chosen: list[Waiting] = []
    for event in queue.free(events, busy, queue.RETRY_HOLDS):
        if event.next_at <= due_by and event.subject not in busy:
            chosen.append(event)
            if event.subject != NOBODY:
                busy.add(event.subject)
            if len(chosen) == limit:
                break
    return chosen


def _probe(tx: Tx, source: str, held: Hands, due_by: int) -> list[Waiting]:
    free = queue.free(queue.whole(tx, source), held.subjects, queue.RETRY_HOLDS)
    ready = [event for event in free if event.next_at <= due_by]
    return [min(ready, key=lambda event: event.next_at)] if ready else []


def _apart(held: Sequence[tuple[int, int]], chosen: list[Waiting]) -> list[Waiting]:
    """The first events up to one that must be alone; that one only if it is first and its owner holds nothing."""
    if not chosen or any(takeovers for _, takeovers in held):
        return []
    if chosen[0].takeovers:
        return [] if held else chosen[:1]
    first = next((place for place, event in enumerate(chosen) if event.takeovers), len(chosen))
    return chosen[:first]


#: `limit 1` and `is not null` keep PostgreSQL from turning the question into a join over the whole table.
_ANY = """(select 1 from reconcile_event h where h.source = e.source and h.subject_type = e.subject_type
    and h.subject_id = e.subject_id and e.subject_id <> '' and h.state = 'handled' and {} limit 1) is not null"""
_LATE = _ANY.format("h.position > e.position")
_OUTDATED = _ANY.format("h.topic = e.topic and h.version > e.version")


@cache
def flags_sql(dialect: str) -> str:
    """Chosen events with what was handled meanwhile; one that somebody is changing right now is left for next time."""
    skip = "for update of e skip locked" if dialect == "postgresql" else ""
    own = ", ".join(f"e.{name}" for name in Taken._fields if name not in bodies.NOTHING)
    return f"""
        select {own}, b.headers, b.body, {_LATE} as passed, {_OUTDATED} as outdated
        from reconcile_event e left join reconcile_body b on b.seq = e.seq where e.seq in :seqs {skip}"""


@cache
def _flags(sql: str) -> TextClause:
    return text(sql).bindparams(bindparam("seqs", expanding=True))


def _locked(tx: Tx, chosen: Sequence[Waiting]) -> list[Any]:
    if not chosen:
        return []
    rows = tx.connection.execute(_flags(flags_sql(tx.dialect)), {"seqs": [event.seq for event in chosen]})
    return [row for row in rows if row.state == EventState.WAITING]


def _is_rebuilt_state(row: Any) -> bool:
    return bool(row.reconstructed) and row.kind == Occurrence.STATE


def _may_skip(row: Any, skip_late: bool) -> bool:  # noqa: FBT001 - a setting passed through
    return skip_late and row.kind != Occurrence.DATED


_CLAIM = (
    update(table)
    .where(table.c.seq.in_(bindparam("seqs", expanding=True)))
    .values(
        state=EventState.CLAIMED.value,
        claim_owner=bindparam("owner"),
        claim_fence=table.c.claim_fence + 1,
        claim_until=bindparam("until", type_=Instant),
    )
)


def _take(tx: Tx, owner: str, chosen: list[Any]) -> list[Taken]:
    if not chosen:
        return []
    late = [row.seq for row in chosen if row.passed and not row.late]
    if late:
        tx.connection.execute(update(table).where(table.c.seq.in_(late)).values(late=1))
    ours = {"seqs": [row.seq for row in chosen], "owner": owner, "until": tx.now + CLAIM_LIFE}
    tx.connection.execute(_CLAIM, ours)
    return sorted((_taken(row, owner) for row in chosen), key=lambda row: (row.position, row.seq))


def _taken(row: Any, owner: str) -> Taken:
    """What the claim changed is known without asking again."""
    late, fence = int(row.late or row.passed), row.claim_fence + 1
    before = Taken(*row[: len(Taken._fields)])
    return before._replace(state=EventState.CLAIMED, claim_owner=owner, claim_fence=fence, late=late)
