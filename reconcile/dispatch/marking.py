"""From outcomes of a target to marks in the ledger: the retry table, the dead, and what a pause forgives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from reconcile.dispatch.pauses import Health
from reconcile.ledger import marks
from reconcile.ledger.ledger import Tx
from reconcile.ledger.marks import Call
from reconcile.names import clean
from reconcile.targets.model import Outcome, Verdict


@dataclass(slots=True)
class Marked:
    """Event seqs by what became of them; `busy` are outcomes whose row another writer is changing."""

    handled: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    dead: set[int] = field(default_factory=set)
    released: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    busy: list[Outcome] = field(default_factory=list)


class _Kind(StrEnum):
    """What an outcome comes to, once it is known how the target as a whole does."""

    HANDLED = "handled"
    FAILED = "failed"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    FORGIVEN = "forgiven"  # unreachable while paused: does not count
    RELEASED = "released"
    CUT_OFF = "cut off"  # given back in the middle of a call
    UNKNOWN = "unknown"  # the target cannot say, and the claim is still ours


_Calls = defaultdict[_Kind, list[Call]]


def mark(tx: Tx, health: Health, retry: Sequence[timedelta], owner: str, outcomes: Sequence[Outcome]) -> Marked:
    """Mark every outcome whose claim is still `owner`'s. One that is not is left to whoever has it now (H1).

    What the target marked itself, in the handler's own commit, is only counted.
    """
    marked = Marked(handled={outcome.job.seq for outcome in outcomes if outcome.marked})
    if marked.handled:
        health.reached()
    rest = [outcome for outcome in outcomes if not outcome.marked]
    if not rest:
        return marked
    found = marks.standing(tx, owner, {outcome.job.seq: outcome.job.fence for outcome in rest})
    marked.handled |= found.handled
    marked.lost |= found.lost
    marked.busy += [outcome for outcome in rest if outcome.job.seq in found.busy]
    calls = _Calls(list)
    for outcome in rest:
        if outcome.job.seq in found.ours:
            calls[_kind(health, outcome)].append(_call(outcome, found.ours[outcome.job.seq]))
    _write(tx, retry, calls, marked)
    return marked


def _kind(health: Health, outcome: Outcome) -> _Kind:
    """Asked in the order of the outcomes, because a pause begins and ends in the middle of them."""
    if outcome.verdict is Verdict.UNREACHABLE:
        kind = _Kind.FORGIVEN if health.paused else _Kind.UNREACHABLE
        health.unreachable(_subject(outcome), outcome.error)
        return kind
    if outcome.verdict is Verdict.RELEASED:
        return _Kind.CUT_OFF if outcome.error else _Kind.RELEASED
    if outcome.verdict is Verdict.LOST:
        return _Kind.UNKNOWN
    health.reached()
    return _Kind(outcome.verdict)


def _call(outcome: Outcome, row: Any) -> Call:
    return Call(row, outcome.job.number, outcome.started_at, outcome.finished_at, clean(outcome.error))


def _subject(outcome: Outcome) -> str:
    """Who failed; an event without a subject speaks for itself."""
    event = outcome.job.event
    return str(event.subject) if event.subject else event.id


def _write(tx: Tx, retry: Sequence[timedelta], calls: _Calls, marked: Marked) -> None:
    marks.mark_handled(tx, calls[_Kind.HANDLED])
    dead = marks.mark_failed(tx, calls[_Kind.FAILED], retry)
    dead |= marks.mark_failed(tx, calls[_Kind.UNREACHABLE], retry, "refused")
    marks.mark_refused(tx, calls[_Kind.FORGIVEN])
    marks.mark_dead(tx, calls[_Kind.REJECTED])
    marks.mark_released(tx, [call.row for call in calls[_Kind.RELEASED]])
    marks.mark_cut_off(tx, calls[_Kind.CUT_OFF])
    dead |= marks.abandon(tx, calls[_Kind.UNKNOWN], retry)
    marked.handled |= _seqs(calls, _Kind.HANDLED)
    marked.dead |= dead | _seqs(calls, _Kind.REJECTED)
    marked.failed |= _seqs(calls, _Kind.FAILED, _Kind.UNREACHABLE, _Kind.FORGIVEN, _Kind.UNKNOWN) - dead
    marked.released |= _seqs(calls, _Kind.RELEASED, _Kind.CUT_OFF)


def _seqs(calls: _Calls, *kinds: _Kind) -> set[int]:
    return {call.row.seq for kind in kinds for call in calls[kind]}
