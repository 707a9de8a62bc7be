"""Marks: what became of a claimed event. Every one is refused unless the claim is still its writer's.

Ask `standing` first, in the same transaction: it locks the rows, so what it answers holds until the commit.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update

from reconcile.errors import LeaseLost
from reconcile.ladder import next_rung
from reconcile.ledger import attempts, gaps
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import events as table
from reconcile.model import EventState, GapKind, Subject

_FREE: dict[str, Any] = {"claim_owner": "", "claim_until": None}


@dataclass(slots=True)
class Standing:
    """How claims stand, by event `seq`: rows that are ours, events already handled under our claim, claims
    someone took, and rows that another writer is changing at this moment.
    """

    ours: dict[int, Any] = field(default_factory=dict)
    handled: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the target, for the event of `row` as `standing` found it. `number` is the attempt's, from 1."""

    row: Any
    number: int
    started_at: datetime
    finished_at: datetime
    error: str = ""


def standing(tx: Tx, owner: str, fences: Mapping[int, int]) -> Standing:
    """How the claims `{seq: fence}` of `owner` stand now; locks the rows that are ours."""
    found = Standing()
    query = select(table).where(table.c.seq.in_(list(fences))).order_by(table.c.seq)
    for row in tx.connection.execute(query.with_for_update(skip_locked=True)):
        if row.claim_fence != fences[row.seq]:
            found.lost.add(row.seq)
        elif row.state == EventState.CLAIMED and row.claim_owner == owner:
            found.ours[row.seq] = row
        elif row.state == EventState.HANDLED:
            found.handled.add(row.seq)
        else:
            found.lost.add(row.seq)
    found.busy = set(fences) - set(found.ours) - found.handled - found.lost
    return found


def mark_handled(tx: Tx, calls: Sequence[Call]) -> None:
    """The target did it: the events are handled, and what was wrong with them is no more. Their own rows note the
    calls.
    """
    told = [(call.row, attempts.handled_by(call.number, call.started_at, call.finished_at)) for call in calls]
    _change(tx, told, _HANDLED | {"handled_at": tx.now})
    close_gaps(tx, [call.row.seq for call in calls])


_HANDLED: dict[str, Any] = {"state": EventState.HANDLED, "next_at": None, "error": ""}


def mark_failed(tx: Tx, calls: Sequence[Call], retry: Sequence[timedelta], outcome: str = "failed") -> set[int]:
    """An attempt failed: wait for the next one, or, after the last, be dead. The seqs of the dead."""
    waits = {call.row.seq: next_rung(call.number, retry) for call in calls}
    again = [call for call in calls if waits[call.row.seq] is not None]
    values = [(call.row, _retried(tx, call, waits[call.row.seq] or timedelta())) for call in again]
    _change(tx, values, {"state": EventState.WAITING})
    _note(tx, again, outcome)
    dead = [call for call in calls if waits[call.row.seq] is None]
    mark_dead(tx, dead)
    return {call.row.seq for call in dead}


def _retried(tx: Tx, call: Call, wait: timedelta) -> dict[str, Any]:
    return {"attempts": call.number, "error": call.error, "next_at": tx.now + wait}


def mark_dead(tx: Tx, calls: Sequence[Call]) -> None:
    """No attempt will follow: a gap until someone revives or ignores it. It blocks nothing."""
    _change(
        tx,
        [(call.row, {"attempts": call.number, "error": call.error}) for call in calls],
        {"state": EventState.DEAD, "next_at": None},
    )
    _note(tx, calls, "dead")
    for call in calls:
        _open_gap(tx, call.row, call.error)


def mark_refused(tx: Tx, calls: Sequence[Call]) -> None:
    """A paused target could not be reached: the call is noted and does not count as an attempt."""
    _change(tx, [(call.row, {"error": call.error}) for call in calls], {"state": EventState.WAITING, "next_at": tx.now})
    _note(tx, calls, "refused")


def mark_released(tx: Tx, rows: Iterable[Any]) -> None:
    """Claims given back untried: as they were before."""
    _change(tx, [(row, {}) for row in rows], {"state": EventState.WAITING})


def supersede(tx: Tx, chosen: Sequence[tuple[int, int]]) -> None:
    """Waiting events, as (seq, attempts made), that a newer handled one makes pointless."""
    if not chosen:
        return
    seqs = [seq for seq, _ in chosen]
    waiting = update(table).where(table.c.seq.in_(seqs), table.c.state == EventState.WAITING)
    tx.connection.execute(waiting.values(state=EventState.SUPERSEDED, handled_at=tx.now, next_at=None, **_FREE))
    reason = "a newer version was handled first"
    attempts.note(tx, [attempts.row(seq, made, tx.now, tx.now, "superseded", reason) for seq, made in chosen])
    close_gaps(tx, seqs)


def mark_cut_off(tx: Tx, calls: Sequence[Call]) -> None:
    """Claims given back in the middle of a call: noted, because its effect may be there, and not counted."""
    _change(tx, [(call.row, {}) for call in calls], {"state": EventState.WAITING})
    _note(tx, calls, "unknown")


def abandon(tx: Tx, calls: Sequence[Call], retry: Sequence[timedelta], blamed: Container[int] = ()) -> set[int]:
    """Claims that ended and nobody knows how: waiting again, to be claimed alone. The seqs of the dead.

    It counts as a failed attempt for those `blamed`, and for those it happened to before.
    """
    if not calls:
        return set()
    seqs = [call.row.seq for call in calls]
    tx.connection.execute(update(table).where(table.c.seq.in_(seqs)).values(takeovers=table.c.takeovers + 1))
    counted = [call for call in calls if call.row.takeovers or call.row.seq in blamed]
    forgiven = [call for call in calls if call not in counted]
    mark_cut_off(tx, forgiven)
    return mark_failed(tx, counted, retry, "unknown")


def close_gaps(tx: Tx, seqs: Sequence[int]) -> None:
    """Close the open gaps of events that are handled or superseded now."""
    gaps.close_for_events(tx, seqs)


def _open_gap(tx: Tx, row: Any, reason: str) -> None:
    gaps.open_(
        tx,
        row.source,
        GapKind.DEAD,
        row.id,
        reason=reason,
        subject=Subject(row.subject_type, row.subject_id),
        topic=row.topic,
        seq=row.seq,
        stream=row.stream,
        run_id=row.run_id,
    )


def _change(tx: Tx, changes: Sequence[tuple[Any, Mapping[str, Any]]], common: Mapping[str, Any]) -> None:
    """Set columns of claimed rows and end their claims; raises `LeaseLost`, changing nothing, if one was taken."""
    if not changes:
        return
    own = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in changes[0][1]}
    claimed = (
        update(table)
        .where(table.c.seq == bindparam("which"), table.c.state == EventState.CLAIMED)
        .where(table.c.claim_owner == bindparam("owner"), table.c.claim_fence == bindparam("fence"))
        .values(**own, **common, **_FREE)
    )
    bound = [_bound(row, values) for row, values in changes]
    if tx.connection.execute(claimed, bound).rowcount != len(bound):
        raise LeaseLost("another dispatcher took over a claim; its events are left to it")


def _bound(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    claim = {"which": row.seq, "owner": row.claim_owner, "fence": row.claim_fence}
    return claim | {f"new_{name}": value for name, value in values.items()}


def _note(tx: Tx, calls: Sequence[Call], outcome: str) -> None:
    rows = [attempts.row(c.row.seq, c.number, c.started_at, c.finished_at, outcome, c.error) for c in calls]
    attempts.note(tx, rows)
