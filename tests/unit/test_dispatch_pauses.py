"""When a target as a whole fails, and when somebody pauses it."""

from __future__ import annotations

from datetime import timedelta

from support.dispatching import MINUTE
from support.rows import event, outcomes, states
from support.targets import ScriptedTarget

from reconcile.ledger import targets
from reconcile.model import EventState
from reconcile.targets.model import Verdict

H, F, U = Verdict.HANDLED, Verdict.FAILED, Verdict.UNREACHABLE


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
