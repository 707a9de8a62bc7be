"""What becomes of a claimed event: on every engine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from support.claiming import ME, OTHER, RETRY, call, take
from support.rows import change, event, outcomes, states

from reconcile.errors import LeaseLost
from reconcile.ledger import attempts, events, gaps, marks
from reconcile.ledger.marks import Call
from reconcile.ledger.tables import attempts as table
from reconcile.model import EventState, GapKind


def test_a_handled_event_is_free_and_its_gaps_are_closed(ledger, add):
    """A handled event keeps no claim, tells of its call itself and closes its gaps."""
    (seq,) = add({"attempts": 1})
    with ledger.write() as tx:
        gaps.open_(tx, "shop", GapKind.UNHANDLED, "x", reason="r", seq=seq)
    take(ledger)
    with ledger.write() as tx:
        found = marks.standing(tx, ME, {seq: 1})
        started, finished = tx.now - timedelta(seconds=3), tx.now - timedelta(seconds=1)
        marks.mark_handled(tx, [Call(found.ours[seq], 2, started, finished)])
    row = event(ledger, seq)
    assert (row.state, row.attempts, row.claim_owner, row.claim_until) == (EventState.HANDLED, 2, "", None)
    assert row.handled_at is not None
    with ledger.read() as tx:
        assert gaps.find(tx) == []
        assert attempts.listed(tx, [seq]) == [(seq, 2, started, finished, "handled", "")]
        assert tx.connection.execute(select(table)).all() == []


def test_handled_again(ledger, add):
    """The call that handled an event stays on record when the event is sent to its target once more."""
    (seq,) = add({})
    for fence in (1, 2):
        take(ledger)
        with ledger.write() as tx:
            marks.mark_handled(tx, [call(tx, marks.standing(tx, ME, {seq: fence}).ours[seq])])
        assert outcomes(ledger, seq) == ["handled"] * fence
        with ledger.write() as tx:
            assert events.replay(tx, seq)
        row = event(ledger, seq)
        assert (row.state, row.attempts, row.handled_at) == (EventState.WAITING, 0, None)
        assert outcomes(ledger, seq) == ["handled"] * fence


def test_replay_leaves_what_is_claimed(ledger, add):
    """An event that is with its target is not sent to it a second time (H1)."""
    (seq,) = add({})
    take(ledger)
    with ledger.write() as tx:
        assert not events.replay(tx, seq)
    assert states(ledger, seq) == [EventState.CLAIMED]


def test_failed_until_dead(ledger, add):
    """H8: a failed attempt waits its rung; after the last one the event is dead, with its error in a gap."""
    (seq,) = add({})
    for number, rung in enumerate([*RETRY, None], 1):
        take(ledger)
        with ledger.write() as tx:
            (row,) = marks.standing(tx, ME, {seq: number}).ours.values()
            dead = marks.mark_failed(tx, [call(tx, row, number, "boom")], RETRY)
            now = tx.now
        row = event(ledger, seq)
        assert (row.attempts, row.error) == (number, "boom")
        if rung is not None:
            assert (row.state, row.next_at, dead) == (EventState.WAITING, now + rung, set())
            change(ledger, seq, next_at=now)
    assert (row.state, dead) == (EventState.DEAD, {seq})
    assert outcomes(ledger, seq) == ["failed", "failed", "dead"]
    with ledger.read() as tx:
        (gap,) = gaps.find(tx)
    assert (gap.kind, gap.key, gap.reason, str(gap.subject)) == (GapKind.DEAD, row.id, "boom", "order/1")


def test_released_is_as_before(ledger, add):
    """A claim given back untried leaves no trace but its fencing number."""
    (seq,) = add({})
    before = event(ledger, seq)._asdict()
    take(ledger)
    with ledger.write() as tx:
        marks.mark_released(tx, list(marks.standing(tx, ME, {seq: 1}).ours.values()))
    assert event(ledger, seq)._asdict() == before | {"claim_fence": 1}
    assert outcomes(ledger, seq) == []


def test_a_claim_is_ours_or_done_or_lost(ledger, add):
    """H1: a claim is ours, or its event was handled under it, or it is lost to whoever has a newer number."""
    ours, handled, retaken, given_back = add(*[{"subject_id": str(n)} for n in range(4)])
    take(ledger)
    change(ledger, handled, state=EventState.HANDLED, claim_owner="")
    change(ledger, retaken, claim_fence=2)
    change(ledger, given_back, state=EventState.WAITING, claim_owner="")
    with ledger.write() as tx:
        found = marks.standing(tx, ME, dict.fromkeys((ours, handled, retaken, given_back), 1))
    assert (set(found.ours), found.handled, found.lost, found.busy) == ({ours}, {handled}, {retaken, given_back}, set())


def test_outdated_mark_is_refused(ledger, add):
    """H1: a mark with an outdated fencing number changes nothing and raises `LeaseLost`."""
    (seq,) = add({})
    (stale,) = take(ledger).rows
    change(ledger, seq, claim_fence=2, claim_owner=OTHER)
    for write in (marks.mark_handled, marks.mark_dead, lambda tx, calls: marks.mark_failed(tx, calls, RETRY)):
        with pytest.raises(LeaseLost), ledger.write() as tx:
            write(tx, [call(tx, stale)])
    with pytest.raises(LeaseLost), ledger.write() as tx:
        marks.mark_released(tx, [stale])
    assert (event(ledger, seq).state, outcomes(ledger, seq)) == (EventState.CLAIMED, [])
