"""The daemon's timetable: the only importer of apscheduler.

A tick only means *look*: whose turn it is comes from the ledger, and what to read comes from coverage. So a tick that
is late, merged with others or lost costs time and never data.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.debug import DebugExecutor
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from reconcile import rhythm
from reconcile.config import ScheduleConfig

_log = logging.getLogger(__name__)

#: Ticks come up to so much after they are due, so that many daemons do not ask one provider in the same second.
JITTER = timedelta(seconds=2)
#: Jobs at work at the same time, at most; each schedule has one at a time.
THREADS = 16
#: Seconds between two signs of life.
BEAT = 5.0

_TROUBLE = EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES


class Due(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """Fires when a schedule is due, by our reading of cron: apscheduler's own is neither cron's nor safe at DST."""

    def __init__(self, schedule: ScheduleConfig, zone: ZoneInfo) -> None:
        self._schedule = schedule
        self._zone = zone

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The next due instant after the previous tick, a little later by chance."""
        due = rhythm.following(self._schedule, self._zone, (previous or now).astimezone(UTC))
        longest = min(JITTER, (self._schedule.every or JITTER * 10) / 10)
        return due + longest * random.random()  # noqa: S311 - spreads load, hides nothing


class Timetable:
    """Calls `tick` with each schedule when it is due, in threads; one tick of a schedule at a time."""

    def __init__(
        self,
        schedules: Sequence[ScheduleConfig],
        zone: ZoneInfo,
        tick: Callable[[ScheduleConfig], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},  # any other store pickles what it holds
            executors={"default": ThreadPoolExecutor(min(THREADS, max(1, len(schedules)))), "beat": DebugExecutor()},
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(_say, _TROUBLE)
        self._monotonic = monotonic
        self._beat = monotonic()
        self._scheduler.add_job(self._live, "interval", seconds=BEAT, id="sign of life", executor="beat")
        for schedule in schedules:
            # Looked at once at the start, too: a turn may have been missed while nothing ran.
            name, now = rhythm.name_of(schedule), datetime.now(UTC)
            self._scheduler.add_job(tick, Due(schedule, zone), args=(schedule,), id=name, next_run_time=now)

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def age(self) -> float:
        """Seconds since its thread last gave a sign of life, which it does every `BEAT` seconds."""
        return self._monotonic() - self._beat

    def _live(self) -> None:
        self._beat = self._monotonic()

    def stop(self) -> None:
        """Tick no more; ticks at work go on."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _say(event: JobEvent) -> None:
    """What apscheduler would only log under its own name, or not at all."""
    if event.code == EVENT_JOB_MAX_INSTANCES:
        _log.info("%s: still at work when it was due again; it looks again at its next turn", event.job_id)
    elif event.code == EVENT_JOB_MISSED:
        _log.warning("%s: a turn came too late and was left out; its next one makes up for it", event.job_id)
    else:
        _log.error("%s: failed: %s", event.job_id, event.exception)
