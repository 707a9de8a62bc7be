"""The daemon's timetable on a machine whose clock is put right while it runs; no test waits for a time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from queue import Empty, SimpleQueue
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers import base

from reconcile import scheduling
from reconcile.config import ScheduleConfig
from reconcile.scheduling import LATE, Beat, Due, Timetable

DAILY = ScheduleConfig(job="purge", every="1d", keep_payloads="90d")
ZONE = ZoneInfo("UTC")
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
#: Seconds a tick that is due has to come; one that is not comes in no test's time.
SOON = 10


class Machine:
    """A machine's clocks, moved by hand: the one on the wall is ahead by `ahead`."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self.seconds = 0.0

    def monotonic(self) -> float:
        """Seconds since its start."""
        return self.seconds


@pytest.fixture
def machine(monkeypatch):
    """A machine, and apscheduler on it."""
    made = Machine()

    class Wall(datetime):
        """What the wall clock says."""

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + made.ahead

    for module in (scheduling, base):
        monkeypatch.setattr(module, "datetime", Wall)
    return made


@pytest.fixture
def timetable(machine):
    """The timetable of a daily schedule, started, its first tick over; and its further ticks."""
    ticks = SimpleQueue()

    def start(ahead: timedelta):
        machine.ahead = ahead
        made = Timetable([DAILY], ZONE, ticks.put, machine.monotonic)
        started.append(made)
        made.start()
        ticks.get(timeout=SOON)
        return made, ticks

    started: list[Timetable] = []
    yield start
    for one in started:
        one.stop()


def test_a_clock_that_is_put_back_silences_nothing(machine, timetable):
    """C15: what was to come next at a time of yesterday's clock comes now, and the daemon is not taken for dead."""
    table, ticks = timetable(timedelta(days=1))
    machine.ahead = timedelta(0)
    machine.seconds += LATE
    table.nudge()
    assert ticks.get(timeout=SOON) is DAILY
    assert table.age() < LATE


def test_nothing_is_looked_at_anew_while_all_is_well(machine, timetable):
    """A timetable that gives signs of life is left alone."""
    table, ticks = timetable(timedelta(0))
    machine.seconds += LATE - 1
    table.nudge()
    with pytest.raises(Empty):
        ticks.get(timeout=0.05)


def test_a_turn_can_be_looked_at_again_before_the_next_one(timetable):
    """What could not be taken for want of a ledger does not wait for tomorrow."""
    table, ticks = timetable(timedelta(0))
    table.again(DAILY, timedelta(0))
    assert ticks.get(timeout=SOON) is DAILY


@pytest.mark.parametrize(
    "trigger",
    [
        Due(ScheduleConfig(job="dispatch", every="10s"), ZONE),
        Due(ScheduleConfig(job="dispatch", cron="*/5 * * * *"), ZONE),
        Beat(),
    ],
    ids=["interval", "cron", "beat"],
)
def test_a_clock_that_is_put_forward_by_years_costs_no_time(trigger):
    """C15: a machine starts in 1970 and is put right: nobody counts through every turn there would have been."""

    def turns():
        at = datetime(1970, 1, 1, tzinfo=UTC)
        while at <= NOON:
            at = trigger.get_next_fire_time(at, NOON)
            yield at

    found = list(islice(turns(), 10_000))
    assert NOON < found[-1] <= NOON + timedelta(minutes=6)
