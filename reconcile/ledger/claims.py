"""Claims: which waiting event may be handled now, by whom, until when, and which claims were abandoned.

A claim is a lease on one event: owner, fencing number and end, judged by the ledger's clock. Events of one subject
are claimed one at a time, in order; a failing one holds the others for `RETRY_HOLDS` attempts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, text, update

from reconcile.errors import LedgerError
from reconcile.ledger import marks
from reconcile.ledger.errors import is_locked
from reconcile.ledger.ledger import Tx
from reconcile.ledger.marks import Call
from reconcile.ledger.process import Holder, process_started
from reconcile.ledger.tables import events as table
from reconcile.model import EventState, Occurrence, micros

#: How long a claim lives unless renewed, and how often its owner renews it.
CLAIM_LIFE = timedelta(seconds=30)
RENEW_EVERY = timedelta(seconds=10)
#: Somebody else's claim may come back at any moment: how long to wait before looking again.
LOOK_AGAIN = timedelta(seconds=1)
#: A failing event holds its subject for this many attempts; then later ones pass it.
RETRY_HOLDS = 3

#: Word for word the condition of the partial index, or SQLite does not use it.
_OPEN = "state in ('held','waiting','claimed','dead')"

#: PostgreSQL's serialization failure, deadlock and lock timeout (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_PASSING = ("40001", "40P01", "55P03")


@dataclass(frozen=True, slots=True)
class Claimed:
    """Rows that are ours now, in order, and how many turned out to be superseded instead."""

    rows: list[Any] = field(default_factory=list)
    superseded: int = 0


class Due(NamedTuple):
    """How many events may be handled before the instant asked for, and when the first of them may be tried."""

    number: int
    next_at: datetime | None


def owner_name(holder: str) -> str:
    """The text a claim is held under by `holder`, the `Holder.name` of this process: with the process's start, so that
    others can see whether it is gone.
    """
    return f"{holder}:{process_started(os.getpid())}"


def owner_gone(owner: str) -> bool:
    """Whether the process behind `owner_name` has certainly ended."""
    host, *rest = owner.rsplit(":", 3)
    if len(rest) != 3 or not rest[0].isdigit():
        return False
    return Holder(owner, host, int(rest[0]), rest[2]).gone()


def passes(error: LedgerError) -> bool:
    """Whether an error only says that someone else is writing, so that the same transaction may be tried again."""
    cause = error.__cause__
    if cause is None:
        return False
    return is_locked(cause) or getattr(getattr(cause, "orig", None), "sqlstate", None) in _PASSING


def lock(tx: Tx, source: str) -> None:
    """Let one dispatcher at a time choose events of a source, until the transaction ends.

    SQLite has one writer anyway. Take it before any row is changed, so that two dispatchers never wait for each other.
    """
    if tx.dialect == "postgresql":
        key = text("select pg_advisory_xact_lock(hashtextextended('reconcile.claim:' || :source, 0))")
        tx.connection.execute(key, {"source": source})


def _same_subject(other: str) -> str:
    return (
        f"{other}.source = e.source and {other}.subject_type = e.subject_type"
        f" and {other}.subject_id = e.subject_id and e.subject_id <> ''"
    )


def _exists(other: str, condition: str) -> str:
    return f"exists (select 1 from reconcile_event {other} where {_same_subject(other)} and {condition})"


_EARLIER = "b.state = 'waiting' and b.attempts < :holds and (b.position, b.seq) < (e.position, e.seq)"
_BLOCKED = _exists("b", f"(b.state = 'claimed' or ({_EARLIER}))")
_LATE = _exists("h", "h.state = 'handled' and h.position > e.position")
_OUTDATED = _exists("v", "v.state = 'handled' and v.topic = e.topic and v.version > e.version")


@cache
def candidates_sql(dialect: str, *, probe: bool = False) -> str:
    """The events that may be claimed, in order; a row that someone is changing right now is left for next time."""
    order = "e.next_at, " if probe else ""
    skip = "for update of e skip locked" if dialect == "postgresql" else ""
    return f"""
        select e.seq, e.subject_type, e.subject_id, e.takeovers, e.kind, e.reconstructed, e.late, e.attempts,
               case when {_LATE} then 1 else 0 end as passed, case when {_OUTDATED} then 1 else 0 end as outdated
        from reconcile_event e
        where e.source = :source and e.{_OPEN} and e.state = 'waiting' and e.next_at <= :before and not {_BLOCKED}
        order by {order}e.position, e.seq limit :limit {skip}"""


def claim(
    tx: Tx,
    source: str,
    owner: str,
    limit: int,
    *,
    retry_holds: int = RETRY_HOLDS,
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
    bound = {"source": source, "before": micros(min(before or tx.now, tx.now)), "holds": retry_holds, "limit": limit}
    found = _one_per_subject(tx.connection.execute(text(candidates_sql(tx.dialect, probe=probe)), bound))
    outdated = [row for row in found if row.outdated and (_is_rebuilt_state(row) or _may_skip(row, skip_late))]
    marks.supersede(tx, [(row.seq, row.attempts) for row in outdated])
    gone = {row.seq for row in outdated}
    chosen = _apart(tx, source, owner, [row for row in found if row.seq not in gone])
    return Claimed(_take(tx, owner, chosen), len(outdated))


def _one_per_subject(rows: Iterable[Any]) -> list[Any]:
    """An event that was passed and the one that passes it may both be due: the older goes first."""
    chosen: dict[tuple[str, str], Any] = {}
    for row in rows:
        chosen.setdefault((row.subject_type, row.subject_id) if row.subject_id else ("", str(row.seq)), row)
    return list(chosen.values())


def _is_rebuilt_state(row: Any) -> bool:
    return bool(row.reconstructed) and row.kind == Occurrence.STATE


def _may_skip(row: Any, skip_late: bool) -> bool:  # noqa: FBT001 - a setting passed through
    return skip_late and row.kind != Occurrence.DATED


def _apart(tx: Tx, source: str, owner: str, rows: list[Any]) -> list[Any]:
    """The first rows up to one that must be alone; that one only if it is first and `owner` holds nothing."""
    if not rows:
        return []
    held = _claimed_by(tx, source, owner)
    if any(row.takeovers for row in held):
        return []
    if rows[0].takeovers:
        return [] if held else rows[:1]
    first = next((place for place, row in enumerate(rows) if row.takeovers), len(rows))
    return rows[:first]


def _claimed_by(tx: Tx, source: str, owner: str) -> list[Any]:
    query = select(table.c.seq, table.c.takeovers).where(table.c.source == source, text(_OPEN))
    query = query.where(table.c.state == EventState.CLAIMED, table.c.claim_owner == owner)
    return list(tx.connection.execute(query))


def _take(tx: Tx, owner: str, chosen: list[Any]) -> list[Any]:
    if not chosen:
        return []
    late = [row.seq for row in chosen if row.passed and not row.late]
    if late:
        tx.connection.execute(update(table).where(table.c.seq.in_(late)).values(late=1))
    ours = (
        update(table)
        .where(table.c.seq.in_([row.seq for row in chosen]))
        .values(
            state=EventState.CLAIMED,
            claim_owner=owner,
            claim_fence=table.c.claim_fence + 1,
            claim_until=tx.now + CLAIM_LIFE,
        )
    )
    return sorted(tx.connection.execute(ours.returning(table)), key=lambda row: (row.position, row.seq))


def renew(tx: Tx, owner: str, fences: Mapping[int, int]) -> set[int]:
    """Prolong claims, `{seq: fence}`; the seqs of those that are no longer ours.

    A claim that ran out but that nobody took is still ours. A row that a handler's own transaction has locked
    counts as renewed: nobody can take it over either.
    """
    if not fences:
        return set()
    mine = select(table.c.seq).where(table.c.seq.in_(list(fences)), table.c.state == EventState.CLAIMED)
    found = list(tx.connection.execute(mine.add_columns(table.c.claim_owner, table.c.claim_fence)))
    kept = [row.seq for row in found if row.claim_owner == owner and row.claim_fence == fences[row.seq]]
    free = tx.connection.execute(mine.where(table.c.seq.in_(kept)).with_for_update(skip_locked=True)).scalars().all()
    longer = update(table).where(table.c.seq.in_(free), table.c.claim_owner == owner)
    tx.connection.execute(longer.values(claim_until=tx.now + CLAIM_LIFE))
    return set(fences) - set(kept)


def sweep(tx: Tx, source: str, retry: Sequence[timedelta], gone: Callable[[str], bool] = owner_gone) -> int:
    """Put abandoned claims back: those that ran out, and those whose owner `gone` says is no more. Says how many.

    Nobody knows whether the call was made, so a call of unknown outcome is noted. It counts as an attempt when the
    event alone can have been at fault: its owner held no other, or it was abandoned before and so claimed alone.
    """
    lock(tx, source)
    query = select(*marks.COLUMNS).where(table.c.source == source, text(_OPEN))
    query = query.where(table.c.state == EventState.CLAIMED)
    claimed = list(tx.connection.execute(query.order_by(table.c.seq).with_for_update(skip_locked=True)))
    dead_owners = {owner for owner in {row.claim_owner for row in claimed} if gone(owner)}
    stale = [
        row for row in claimed if row.claim_until is None or row.claim_until < tx.now or row.claim_owner in dead_owners
    ]
    if not stale:
        return 0
    alone = _holding_one(tx, {row.claim_owner for row in stale})
    calls = [
        Call(row, row.attempts + 1, tx.now, tx.now, f"its dispatcher {row.claim_owner} went away") for row in stale
    ]
    marks.abandon(tx, calls, retry, {row.seq for row in stale if row.claim_owner in alone})
    return len(stale)


def _holding_one(tx: Tx, owners: Iterable[str]) -> set[str]:
    """Those owners whose process had exactly one event in hand, over all sources."""
    query = select(table.c.claim_owner, func.count()).where(text(_OPEN), table.c.state == EventState.CLAIMED)
    query = query.where(table.c.claim_owner.in_(list(owners))).group_by(table.c.claim_owner)
    return {owner for owner, number in tx.connection.execute(query) if number == 1}


_STUCK = _exists("b", f"{_EARLIER} and b.next_at > :until")
DUE = f"""
    select count(*) as number,
           min(case when e.state = 'claimed' then :again when not {_BLOCKED} then e.next_at end) as first
    from reconcile_event e
    where e.source = :source and e.{_OPEN}
      and (e.state = 'claimed' or (e.state = 'waiting' and e.next_at <= :until and not {_STUCK}))"""


def due(tx: Tx, source: str, until: datetime, *, retry_holds: int = RETRY_HOLDS) -> Due:
    """What may still be handled before `until`: waiting events, unless an earlier one of their subject comes later
    than that, and events someone has claimed, which may come back at any moment.
    """
    bound = {"source": source, "until": micros(until), "again": micros(tx.now + LOOK_AGAIN), "holds": retry_holds}
    number, first = tx.connection.execute(text(DUE).columns(first=table.c.next_at.type), bound).one()
    return Due(number, first)


UNHANDLED = f"""
    select e.seq from reconcile_event e
    where e.source = :source and e.{_OPEN} and e.state = 'waiting' and e.next_at <= :now and not {_BLOCKED}
    order by e.position, e.seq limit :limit"""


def unhandled(tx: Tx, source: str, *, retry_holds: int = RETRY_HOLDS, limit: int = 1000) -> list[Any]:
    """Rows that are due and free and yet wait: no retry, claim or hold explains it. A pause might: ask for that."""
    bound = {"source": source, "now": micros(tx.now), "holds": retry_holds, "limit": limit}
    seqs = list(tx.connection.execute(text(UNHANDLED), bound).scalars())
    query = (
        select(table).where(table.c.seq.in_(bindparam("seqs", expanding=True))).order_by(table.c.position, table.c.seq)
    )
    return list(tx.connection.execute(query, {"seqs": seqs}))
