"""Targets: paused by hand or by failing, and ended accordingly."""

from __future__ import annotations

from support.ledgers import later

from reconcile.ledger import targets
from reconcile.ledger.targets import TargetState


def test_failures_count_different_subjects(ledger):
    """The same subject failing again is no further sign that the target is ill; a success starts over."""
    with ledger.write() as tx:
        assert targets.get(tx, "shop") == TargetState()
        assert [targets.note_failure(tx, "shop", subject) for subject in ("a", "b", "a", "c")] == [1, 2, 2, 3]
        assert targets.get(tx, "shop").failing == ("a", "b", "c")
        assert not targets.note_success(tx, "shop")
        assert targets.note_failure(tx, "shop", "d") == 1


def test_success_ends_a_pause_by_failing(ledger):
    """A probe that got through resumes the target."""
    with ledger.write() as tx:
        assert targets.pause(tx, "shop", "failing", "5 subjects in a row", later(tx, 60).now)
        assert not targets.pause(tx, "shop", "failing", "6 subjects in a row", later(tx, 60).now)
        state = targets.get(tx, "shop")
        assert (state.paused, state.since, state.reason) == ("failing", tx.now, "5 subjects in a row")
        assert targets.note_success(tx, "shop")
        assert targets.get(tx, "shop") == TargetState()


def test_pause_by_hand_ends_by_hand(ledger):
    """Neither a success nor a failure touches a pause by hand."""
    with ledger.write() as tx:
        targets.pause(tx, "shop", "failing", "down", later(tx, 60).now)
        assert targets.pause(tx, "shop", "hand", "maintenance")
        assert not targets.pause(tx, "shop", "failing", "down", later(tx, 60).now)
        assert not targets.note_success(tx, "shop")
        state = targets.get(tx, "shop")
        assert (state.paused, state.reason, state.probe_at) == ("hand", "maintenance", None)
        assert not targets.schedule_probe(later(tx, 999), "shop", tx.now)
        assert targets.resume(tx, "shop")
        assert not targets.resume(tx, "shop")


def test_one_probe_a_time(ledger):
    """Of two dispatchers that find the probe due, one makes it."""
    with ledger.write() as tx:
        targets.pause(tx, "shop", "failing", "down", later(tx, 60).now)
        assert not targets.schedule_probe(later(tx, 59), "shop", later(tx, 120).now)
        assert targets.schedule_probe(later(tx, 60), "shop", later(tx, 120).now)
        assert not targets.schedule_probe(later(tx, 60), "shop", later(tx, 120).now)
