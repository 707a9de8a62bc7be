"""Claims while calls run: batches, renewal, takeover, a stop, an error."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest
from support.rows import change, event, outcomes, states
from support.targets import ScriptedTarget

from reconcile import failpoints
from reconcile.dispatch.bearing import PAUSE
from reconcile.errors import LedgerError
from reconcile.model import EventState
from reconcile.targets.model import Verdict

H, F = Verdict.HANDLED, Verdict.FAILED


def test_claims_in_batches_up_to_what_the_target_takes(world):
    """Many events are claimed in one commit, never more than 128 nor than the target takes."""
    world.subjects(300)
    world.target = ScriptedTarget(world.clock, concurrency=200)
    world.drain()
    assert world.target.submitted == [128, 128, 44]


def test_marks_and_claims_share_a_commit(world):
    """H11: handling 64 events costs two commits besides the handlers' own, none open during a call."""
    world.subjects(64)
    world.target = ScriptedTarget(world.clock, concurrency=64)
    commits, write = [], world.ledger.write

    def counted():
        commits.append(1)
        return write()

    world.ledger.write = counted
    dispatcher = world.dispatcher()
    dispatcher.step(0)
    assert (len(commits), len(world.target.calls)) == (2, 64)


def test_taken_over_while_calling(world):
    """H1: the outcome of a claim that another dispatcher has now is left to that one."""
    (seq,) = world.subjects(1)
    dispatcher = world.dispatcher()
    dispatcher._turn()
    change(world.ledger, seq, claim_owner="other:1:a:b", claim_fence=2)
    dispatcher.step(0)
    assert (states(world.ledger, seq), dispatcher.in_flight, dispatcher.tally.lost) == ([EventState.CLAIMED], 0, 1)
    assert dispatcher.tally.handled == 0


def test_already_marked_by_the_target(world):
    """H2: an event that its target marked in the handler's own commit is counted, and not marked again."""
    (seq,) = world.subjects(1)
    world.target.answer = lambda job: change(world.ledger, job.seq, state=EventState.HANDLED, claim_owner="") or H
    tally = world.drain()
    assert (tally.handled, outcomes(world.ledger, seq)) == (1, [])


def test_claims_are_renewed_while_a_call_runs(world):
    """A claim outlives 30 s as long as its dispatcher works; nobody else gets the event."""
    (seq,) = world.subjects(1)
    world.target.hangs = {"e0"}
    dispatcher = world.dispatcher()
    for _ in range(10):
        dispatcher.step(9.0)
        assert event(world.ledger, seq).claim_until > world.clock.now()
    other = world.dispatcher(ScriptedTarget(world.clock))
    assert other.step(0) == 0


def test_own_claims_survive_a_long_wait_for_the_ledger(world):
    """A dispatcher that could not renew in time renews before it sweeps: nobody took the claim, so it is its own."""
    (seq,) = world.subjects(1)
    world.target.hangs = {"e0"}
    dispatcher = world.dispatcher()
    dispatcher.step(0)
    world.clock.advance(120)
    dispatcher.step(0)
    assert event(world.ledger, seq).takeovers == 0
    assert event(world.ledger, seq).claim_until > world.clock.now()


def test_abandoned_claims_are_taken_over_when_they_run_out(world):
    """L3: what a vanished dispatcher left is delivered by the next one, after 30 s."""
    world.subjects(3)
    world.target.hangs = {"e0", "e1", "e2"}
    world.dispatcher().step(0)
    world.target = ScriptedTarget(world.clock)
    start = world.clock.now()
    assert world.drain(60).handled == 3
    assert timedelta(seconds=30) <= world.clock.now() - start < timedelta(seconds=40)


def test_stop_gives_everything_back(world):
    """L2: a stop claims nothing more, gives calls their grace, marks what came back and releases the rest untouched."""
    seqs = world.subjects(6)
    world.target.hangs = {"e1"}

    def answer(job):
        if job.event.id == "e2":
            world.stop.set()
        return H

    world.target.answer = answer
    tally = world.drain()
    assert world.target.stopped == 7.5  # of 8 s: the stop may be noticed half a second late
    assert states(world.ledger, *seqs) == ["handled", "waiting", "handled", "handled", "waiting", "waiting"]
    assert [event(world.ledger, seq).attempts for seq in seqs] == [1, 0, 1, 1, 0, 0]
    assert (tally.handled, tally.pending) == (3, 3)


def test_stop_wakes_the_wait_for_a_retry(world):
    """A stop ends a drain that is only waiting."""
    world.subjects(1)
    world.script(e0=[F])
    wait = world.clock.wait

    def stopping(seconds, stop=None):
        world.stop.set()
        wait(seconds, stop)

    world.clock.wait = stopping
    assert world.drain(3600).pending == 1


def test_shutdown_releases_what_the_target_forgot(world):
    """A claim is given back even if the target says nothing of it."""
    (seq,) = world.subjects(1)
    world.target.hangs = {"e0"}
    dispatcher = world.dispatcher()
    dispatcher.step(0)
    world.target.stop = lambda _grace: []
    dispatcher.shutdown(0)
    assert (states(world.ledger, seq), dispatcher.in_flight) == ([EventState.WAITING], 0)


def test_error_gives_claims_back(world, monkeypatch):
    """When a drain ends with an error, nobody has to wait for its claims to run out."""
    (seq,) = world.subjects(1)

    def broken(_jobs):
        raise ValueError("cannot work")

    monkeypatch.setattr(world.target, "submit", broken)
    with pytest.raises(ValueError, match="cannot work"):
        world.drain()
    assert states(world.ledger, seq) == [EventState.WAITING]


def test_says_where_it_is(world, monkeypatch):
    """The places a test may stop it at are reached in order."""
    reached = []
    monkeypatch.setattr(failpoints, "hook", reached.append)
    world.subjects(1)
    world.dispatcher().step(0)
    assert reached == ["dispatch.claimed", "dispatch.before_mark", "dispatch.marked"]


def test_two_sources_are_not_mixed(world):
    """A dispatcher delivers its own source only."""
    (other,) = world.add({"source": "payments"})
    world.drain()
    assert states(world.ledger, other) == [EventState.WAITING]


def test_a_late_live_event_is_skipped_where_the_source_says_so(world):
    """H5: with `late: skip` a live event whose newer version was handled is skipped too."""
    world.add({"version": 1}, {"version": 2, "state": EventState.HANDLED})
    assert world.drain(late="skip").superseded == 1


def test_a_ledger_that_refuses_at_once_is_not_asked_without_a_pause(world, monkeypatch):
    """L6: what came back is kept in hand and tried again, a few times a second: a full disk needs no busy core."""
    world.subjects(1)
    dispatcher = world.dispatcher()
    dispatcher._turn()
    with monkeypatch.context() as full:

        @contextmanager
        def no_space():
            raise LedgerError("ledger: no space, nothing lost, safe to re-run")
            yield

        full.setattr(world.ledger, "write", no_space)
        assert dispatcher.step(0) == 0
        assert world.clock.waits == [PAUSE]
        assert dispatcher.step(0) == 0
        assert world.clock.waits == [PAUSE] * 3  # before outcomes are looked for, and after
    assert dispatcher.step(0) == 1
    assert world.target.called() == ["e0"]
