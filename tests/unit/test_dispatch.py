"""The dispatcher against a scripted target, in virtual time: retries, order, what is skipped."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.dispatching import MINUTE
from support.rows import event, states
from support.targets import RETRY, ScriptedTarget, by_event

from reconcile.errors import LedgerError
from reconcile.model import EventState
from reconcile.targets.model import Verdict

H, F, R = Verdict.HANDLED, Verdict.FAILED, Verdict.REJECTED


def test_delivers_everything_once(world):
    """A drain hands every due event to the target once and marks it handled (H2)."""
    seqs = world.subjects(10)
    tally = world.drain()
    assert world.target.called() == [f"e{n}" for n in range(10)]
    assert set(states(world.ledger, *seqs)) == {EventState.HANDLED}
    assert (tally.handled, tally.pending, tally.failed, tally.dead) == (10, 0, 0, 0)
    assert [outcome.verdict for outcome in world.told] == [H] * 10
    assert world.clock.waits == []


def test_nothing_to_do_is_over_at_once(world):
    """H12: with nothing due a drain calls nobody and does not wait."""
    world.add({"state": EventState.HELD}, {"next_at": world.clock.now() + timedelta(hours=1), "subject_id": "2"})
    tally = world.drain()
    assert (tally.pending, tally.held, world.target.calls, world.clock.waits) == (1, 1, [], [])


def test_the_event_a_handler_receives(world):
    """H9: the exact bytes and what is known of them, with the event's id as idempotency key on each attempt."""
    world.add(
        {
            "id": "evt_1",
            "body": b'{"a": 1.0, "n": NaN}',
            "headers": b'{"x-topic": "orders/updated"}',
            "attempts": 2,
            "occurred_at": world.clock.now() - MINUTE,
            "api_version": "2024-04",
            "reconstructed": 1,
            "origin": "backfill",
        }
    )
    world.drain()
    (job,) = world.target.calls
    made = job.event
    assert (made.body, made.headers, made.data["a"]) == (b'{"a": 1.0, "n": NaN}', {"x-topic": "orders/updated"}, 1.0)
    assert (made.id, made.idempotency_key, made.attempt, job.number) == ("evt_1", "evt_1", 3, 3)
    assert (made.origin, made.reconstructed, made.api_version) == ("backfill", True, "2024-04")
    assert (str(made.subject), made.occurred_at) == ("order/1", world.clock.now() - MINUTE)


@pytest.mark.parametrize("body", [b"", b"a=1&b=2", b"\xff\x00", b"{", b"[" * 100_000])
def test_body_that_is_not_json_is_delivered(world, body):
    """H8: whatever the bytes are, they reach the handler; there is just no parsed form of them."""
    world.add({"body": body})
    world.drain()
    (job,) = world.target.calls
    assert (job.event.body, job.event.data) == (body, None)


def test_retries_by_the_table_then_dead(world):
    """H8: after each failed attempt an event waits its rung, and after the last it is dead, a gap."""
    (seq,) = world.add({"id": "e"})
    world.script(e=[F] * 9)
    start, called = world.clock.now(), []
    world.target.answer = lambda job: called.append(world.clock.now() - start) or F
    tally = world.drain(3600)
    assert called == [sum(RETRY[:n], timedelta()) for n in range(len(RETRY) + 1)]
    assert (tally.dead, tally.failed, tally.pending) == (1, 0, 0)
    assert world.dead() == ["e"]
    assert event(world.ledger, seq).error == "failed by script"


def test_waits_for_retries_no_longer_than_asked(world):
    """A drain waits for retries that come due in its time, and leaves the others pending."""
    world.subjects(2)
    world.script(e0=[F], e1=[F, F])
    start = world.clock.now()
    tally = world.drain(60)
    assert world.target.called() == ["e0", "e1", "e0", "e1"]
    assert (tally.handled, tally.failed, tally.pending) == (1, 1, 1)
    assert world.clock.now() - start == timedelta(seconds=10)


def test_works_on_past_its_time_while_something_is_due(world):
    """The time given bounds the waiting, not the work: a backlog is delivered to its end."""
    world.subjects(30)
    world.target = ScriptedTarget(world.clock, seconds=10)
    assert world.drain(60).handled == 30


def test_what_comes_due_later_is_left(world):
    """A drain that worked past its time does not start on what came due only then."""
    world.subjects(20)
    world.script(e0=[F])
    world.target = ScriptedTarget(world.clock, by_event({"e0": [F]}), seconds=3)
    tally = world.drain(1)
    assert (tally.handled, tally.pending) == (19, 1)


def test_rejected_is_dead_at_once(world):
    """What trying again cannot help is dead after one call."""
    world.subjects(1)
    world.script(e0=[R])
    assert (world.drain().dead, world.target.called(), world.dead()) == (1, ["e0"], ["e0"])


def test_failing_event_holds_its_subject_then_is_passed(world):
    """Events of one subject are called in order; after three failed attempts later ones pass, and it is late."""
    world.add({"id": "a"}, {"id": "b"}, {"id": "c", "subject_id": "2"})
    world.script(a=[F, F, F])
    world.drain(3600)
    assert world.target.called() == ["a", "c", "a", "a", "b", "a"]
    assert [job.event.late for job in world.target.calls if job.event.id == "a"] == [False, False, False, True]


def test_superseded_is_not_called(world):
    """H5: a rebuilt state that a newer handled one makes pointless is counted and skipped."""
    world.add(
        {"version": 1, "reconstructed": 1},
        {"version": 2, "state": EventState.HANDLED},
        {"subject_id": "2", "id": "e"},
    )
    tally = world.drain()
    assert (tally.superseded, tally.handled, world.target.called()) == (1, 1, ["e"])


@pytest.mark.parametrize("error", [LedgerError("no space"), RuntimeError("a bug")])
def test_what_fails_at_once_is_tried_once_a_poll(world, monkeypatch, caplog, error):
    """L6: a full disk or a server that refuses must not be filled with, or hindered by, what is said of it."""
    dispatcher, tried, waits = world.dispatcher(), [], []

    def fail(_wait):
        tried.append(error)
        if len(tried) == 10:
            world.stop.set()
        raise error

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            world.stop.set()
        return world.stop.is_set()

    monkeypatch.setattr(dispatcher, "step", fail)
    monkeypatch.setattr(world.stop, "wait", wait)
    world.clock.advance(60)  # its upkeep is due, and cannot be done
    dispatcher.notify()
    dispatcher.run_forever(1.5)
    assert (len(tried), waits) == (3, [1.5] * 3)
    assert len(caplog.records) == 3
