"""The dispatcher against a scripted target, in virtual time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.clock import ManualClock
from support.rows import add_event, change, event, outcomes, states
from support.targets import RETRY, ScriptedTarget, a_source, by_event

from reconcile import failpoints
from reconcile.clock import Stop
from reconcile.dispatch import Dispatcher
from reconcile.ledger import Ledger, gaps, targets
from reconcile.ledger.process import Holder
from reconcile.model import EventState
from reconcile.targets.model import Verdict

H, F, R, U = Verdict.HANDLED, Verdict.FAILED, Verdict.REJECTED, Verdict.UNREACHABLE
MINUTE = timedelta(minutes=1)


class World:
    """One source's ledger, clock and target, and dispatchers to set on them."""

    def __init__(self, ledger, clock):
        self.ledger, self.clock, self.stop = ledger, clock, Stop()
        self.target = ScriptedTarget(clock)
        self.told = []

    def add(self, *rows):
        with self.ledger.write() as tx:
            return [add_event(tx, **row) for row in rows]

    def subjects(self, number, **values):
        return self.add(*[{"subject_id": str(n), "id": f"e{n}"} | values for n in range(number)])

    def script(self, **verdicts):
        self.target.answer = by_event(verdicts)

    def dispatcher(self, target=None, **source):
        return Dispatcher(
            ledger=self.ledger,
            source=a_source(**source),
            target=target or self.target,
            clock=self.clock,
            stop=self.stop,
            owner=Holder.me().name,
            on_outcome=self.told.append,
        )

    def drain(self, seconds=60.0, **source):
        until = self.clock.now() + timedelta(seconds=seconds)
        return self.dispatcher(**source).drain(until)

    def pause(self):
        with self.ledger.read() as tx:
            return targets.get(tx, "shop")

    def dead(self):
        with self.ledger.read() as tx:
            return [gap.key for gap in gaps.find(tx, source="shop")]


@pytest.fixture
def world(sqlite_databases, tmp_path):
    clock = ManualClock()
    with sqlite_databases.fresh(tmp_path) as url:
        ledger = Ledger.open(url, clock)
        yield World(ledger, clock)
        ledger.close()


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


def test_five_subjects_in_a_row_pause_the_target(world):
    """Five different subjects that cannot reach the target pause it; calls after that do not count."""
    seqs = world.subjects(8)
    world.target = ScriptedTarget(world.clock, lambda _job: U, concurrency=8)
    tally = world.drain(5)
    assert (tally.paused, tally.pending, tally.dead) == (True, 8, 0)
    assert [event(world.ledger, seq).attempts for seq in seqs] == [1] * 5 + [0] * 3
    assert [outcomes(world.ledger, seq) for seq in seqs] == [["refused"]] * 8
    assert world.pause().paused == "failing"
    assert "unreachable by script" in world.pause().reason


def test_one_subject_alone_pauses_nothing(world):
    """The same subject failing again and again is its own trouble."""
    world.add({"id": "a"})
    world.script(a=[U] * 9)
    assert world.drain(3600).paused is False
    assert world.dead() == ["a"]


def test_an_answer_breaks_the_row(world):
    """Four unreachable subjects, an answer, and four more pause nothing."""
    world.subjects(9)
    world.target = ScriptedTarget(world.clock, lambda job: F if job.event.id == "e4" else U, concurrency=9)
    assert world.drain(5).paused is False


def test_paused_target_is_probed_once_a_minute_and_comes_back(world):
    """While paused one event a minute is tried, uncounted; the first that gets through ends the pause."""
    seqs = world.subjects(8)
    back = world.clock.now() + timedelta(minutes=3, seconds=30)
    calls = []

    def answer(_job):
        calls.append(world.clock.now())
        return H if world.clock.now() >= back else U

    world.target = ScriptedTarget(world.clock, answer, concurrency=8)
    start = world.clock.now()
    tally = world.drain(600)
    assert [round((at - start) / MINUTE) for at in calls[8:11]] == [1, 2, 3]
    assert (tally.handled, tally.paused, world.pause().paused) == (8, False, "")
    assert max(event(world.ledger, seq).attempts for seq in seqs) == 2


def test_probes_take_turns(world):
    """An event whose probe failed is not the next probe: one that cannot work never keeps the target paused."""
    world.subjects(6)
    world.target = ScriptedTarget(world.clock, lambda _job: U, concurrency=6)
    world.drain(250)
    probes = world.target.called()[6:]
    assert len(probes) == len(set(probes)) == 4


def test_pause_by_hand_is_not_probed(world):
    """A pause by hand ends by hand: nothing is claimed, nothing waited for."""
    world.subjects(2)
    with world.ledger.write() as tx:
        targets.pause(tx, "shop", "hand", "maintenance")
    tally = world.drain(3600)
    assert (tally.paused, tally.pending, world.target.calls, world.clock.waits) == (True, 2, [], [])
    with world.ledger.write() as tx:
        targets.resume(tx, "shop")
    assert world.drain().handled == 2


def test_answers_to_a_hand_pause_are_marked_and_do_not_end_it(world):
    """What was under way when somebody paused is marked; the pause stays."""
    (seq,) = world.subjects(1)
    dispatcher = world.dispatcher()
    dispatcher._turn()
    with world.ledger.write() as tx:
        targets.pause(tx, "shop", "hand", "maintenance")
    dispatcher.step(0)
    assert (states(world.ledger, seq), world.pause().paused) == ([EventState.HANDLED], "hand")


def test_claims_in_batches_up_to_what_the_target_takes(world):
    """Many events are claimed in one commit, never more than 64 nor than the target takes."""
    world.subjects(150)
    world.target = ScriptedTarget(world.clock, concurrency=100)
    world.drain()
    assert world.target.submitted == [64, 64, 22]


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


def test_late_skip(world):
    """H5: with `late: skip` a live event whose newer version was handled is skipped too."""
    world.add({"version": 1}, {"version": 2, "state": EventState.HANDLED})
    assert world.drain(late="skip").superseded == 1
