"""The timetable: late, merged, overlapping and failing ticks, each said, and none of them the end of the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent

from reconcile import rhythm, scheduling
from reconcile.config import ScheduleConfig
from reconcile.scheduling import JITTER, Due, Timetable

ZONE = ZoneInfo("UTC")
OFTEN = ScheduleConfig(job="backfill", every=timedelta(milliseconds=20))
HOURLY = ScheduleConfig(job="subscriptions", every=timedelta(hours=1))


class Said(logging.Handler):
    """What the timetable logs, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._there = threading.Condition()
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self._there:
            self._lines.append(f"{record.levelname} {record.getMessage()}")
            self._there.notify_all()

    def until(self, line: str) -> None:
        """Wait until exactly `line` was said."""
        with self._there:
            assert self._there.wait_for(lambda: line in self._lines, 20), self._lines


@pytest.fixture
def said(caplog):
    """At level INFO, without apscheduler's own words."""
    handler, log = Said(), logging.getLogger("reconcile.scheduling")
    caplog.set_level(logging.INFO, "reconcile.scheduling")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


@contextmanager
def ticking(tick: Callable[[ScheduleConfig], None], *schedules: ScheduleConfig) -> Iterator[Timetable]:
    timetable = Timetable(schedules, ZONE, tick, time.monotonic)
    timetable.start()
    try:
        yield timetable
    finally:
        timetable.stop()


def test_a_run_longer_than_its_interval_is_not_started_again_meanwhile(said):
    """Max instances: one at a time, said so, and then it goes on; other schedules do not wait."""
    at_work, most, end = [0], [0], threading.Event()
    again, other = threading.Event(), threading.Event()

    def tick(schedule: ScheduleConfig) -> None:
        if schedule is HOURLY:
            other.set()
            return
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        if end.is_set():
            again.set()
        assert end.wait(20)
        at_work[0] -= 1

    with ticking(tick, OFTEN, HOURLY):
        name = rhythm.name_of(OFTEN)
        said.until(f"INFO {name}: still at work when it was due again; it looks again at its next turn")
        assert other.wait(20)
        end.set()
        assert again.wait(20)
    assert most == [1]


def test_a_tick_that_fails_is_said_and_the_next_one_comes(said):
    """Error: no exception ends the timetable."""
    calls, third = [], threading.Event()

    def tick(schedule: ScheduleConfig) -> None:
        calls.append(schedule)
        if len(calls) >= 3:
            third.set()
        raise ValueError("cannot do it")

    with ticking(tick, OFTEN):
        said.until(f"ERROR {rhythm.name_of(OFTEN)}: failed: cannot do it")
        assert third.wait(20)


def test_an_hour_of_missed_ticks_is_one_tick_and_never_too_late():
    """Misfire grace and coalesce: after a suspended machine wakes, what was due every minute runs once, at once."""
    minutely = ScheduleConfig(job="backfill", every=timedelta(minutes=1))
    calls, done = [], threading.Event()

    def tick(schedule: ScheduleConfig) -> None:
        calls.append(schedule.job)
        if schedule is HOURLY:
            done.set()

    timetable = Timetable([minutely, HOURLY], ZONE, tick, time.monotonic)
    scheduler = timetable._scheduler
    scheduler.start(paused=True)
    asleep = datetime.now(UTC) - timedelta(hours=1)
    scheduler.modify_job(rhythm.name_of(minutely), next_run_time=asleep)
    scheduler.resume()
    assert done.wait(20)
    scheduler.shutdown(wait=True)
    assert sorted(calls) == ["backfill", "subscriptions"]


def test_a_turn_that_is_left_out_would_be_said(said):
    """Missed: apscheduler would only log it under its own name."""
    now = datetime.now(UTC)
    scheduling._say(JobExecutionEvent(EVENT_JOB_MISSED, "backfill every 1h", "default", now))
    said.until("WARNING backfill every 1h: a turn came too late and was left out; its next one makes up for it")


@pytest.mark.parametrize("every", [timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)])
def test_ticks_come_a_little_after_they_are_due(every):
    """Jitter: never before the turn, at most two seconds or a tenth of the interval after it, and not all alike."""
    schedule = ScheduleConfig(job="backfill", every=every)
    now = datetime(2026, 3, 1, 12, 0, 0, 500, tzinfo=UTC)
    due = rhythm.following(schedule, ZONE, now)
    late = [Due(schedule, ZONE).get_next_fire_time(None, now) - due for _ in range(50)]
    assert all(timedelta() <= one <= min(JITTER, every / 10) for one in late)
    assert len(set(late)) > 1


def test_a_tick_follows_the_one_before_it_and_not_the_clock():
    """The next turn is counted from the last tick, so that none is skipped when one came late."""
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    coming = Due(HOURLY, ZONE).get_next_fire_time(at + timedelta(seconds=1), at + timedelta(hours=5))
    assert at + timedelta(hours=1) <= coming <= at + timedelta(hours=1) + JITTER


def test_its_signs_of_life_end_when_it_does(monkeypatch):
    """What `/healthz` asks: a beat from the timetable's own thread, whatever its ticks do."""
    monkeypatch.setattr(scheduling, "BEAT", 0.01)
    beats, asked = threading.Semaphore(0), [0.0]

    def monotonic() -> float:
        beats.release()
        return asked[0]

    timetable = Timetable([HOURLY], ZONE, lambda _: None, monotonic)
    timetable.start()
    for _ in range(5):
        assert beats.acquire(timeout=20)
    timetable.stop()
    asked[0] = 90.0
    assert timetable.age() == 90.0
