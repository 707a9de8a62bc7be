"""Turns of schedules, on every ledger engine: each is taken once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from reconcile.ledger import ticks

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_turn_is_taken_once_and_never_an_older_one(ledger):
    """Whoever comes second, or late, finds it taken; the next one is free again."""

    def take(due: datetime) -> bool:
        with ledger.write() as tx:
            return ticks.take(tx, "backfill */15", due, "here")

    later = NOON + timedelta(minutes=15)
    assert [take(NOON), take(NOON), take(later), take(NOON), take(later)] == [True, False, True, False, False]
    with ledger.read() as tx:
        assert ticks.newest(tx, ["backfill */15", "alerts"]) == {"backfill */15": later}


def test_two_daemons_at_once_take_a_turn_once(ledger):
    """Many runners that find the same turn due in the same moment: one takes it."""

    def take(runner: int) -> bool:
        with ledger.write() as tx:
            return ticks.take(tx, "alerts", NOON, f"runner {runner}")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(32))) == 1


def test_a_turn_that_came_to_nothing_is_free_again_once(ledger):
    """Only who took it gives it back, and no older turn becomes free by it."""

    def take(due: datetime, by: str) -> bool:
        with ledger.write() as tx:
            return ticks.take(tx, "purge", due, by)

    def give_back(by: str) -> None:
        with ledger.write() as tx:
            ticks.give_back(tx, "purge", by)

    give_back("here")
    assert take(NOON, "here")
    give_back("there")
    assert not take(NOON, "there")
    give_back("here")
    assert not take(NOON - timedelta(days=7), "there")
    assert take(NOON, "there")
    give_back("here")
    assert not take(NOON, "here")
