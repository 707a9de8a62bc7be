"""The daemon's timetable: the only importer of apscheduler.

A tick only means *look*: whose turn it is comes from the ledger, and what to read comes from coverage. So a tick that
is late, merged with others or lost costs time and never data; and whenever in doubt, such as after the machine's clock
was put back, everything is looked at once more.
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

log = logging.getLogger(__name__)

#: Ticks come up to so much after they are due, so that many daemons do not ask one provider in the same second.
JITTER = timedelta(seconds=2)
#: Jobs at work at the same time, at most; each schedule has one at a time.
THREADS = 16
#: Seconds between two signs of life.
BEAT = 5.0
#: Seconds without one after which the clock was put back, most likely: then every tick would wait until it is that late
#: once more.
LATE = 4 * BEAT
#: Turns further back are passed over: after a clock was put forward by years there would be millions of them.
FAR = timedelta(days=1)

_TROUBLE = EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES


class Due(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """Fires when a schedule is due, by our reading of cron: apscheduler's own is neither cron's nor safe at DST."""

    def __init__(self, schedule: ScheduleConfig, zone: ZoneInfo) -> None:
        self._schedule = schedule
        self._zone = zone

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The next due instant after the previous tick, a little later by chance."""
        due = rhythm.following(self._schedule, self._zone, max(previous or now, now - FAR).astimezone(UTC))
        longest = min(JITTER, (self._schedule.every or JITTER * 10) / 10)
        return due + longest * random.random()  # noqa: S311 - spreads load, hides nothing


class Beat(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """Fires every `BEAT` seconds, however late it is."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """At once, then `BEAT` after each look."""
        return now if previous is None else now + timedelta(seconds=BEAT)


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]  # apscheduler has no types
    """One that keeps why its thread ended; of apscheduler's own nobody would hear any more."""

    failure = ""

    def _main_loop(self) -> None:
        try:
            super()._main_loop()
        except BaseException as error:
            self.failure = f"{type(error).__name__}: {error}"
            log.exception("the timetable's thread has ended")


class Timetable:
    """Calls `tick` with each schedule when it is due, in threads; one tick of a schedule at a time."""

    def __init__(
        self,
        schedules: Sequence[ScheduleConfig],
        zone: ZoneInfo,
        tick: Callable[[ScheduleConfig], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._scheduler = _Scheduler(
            jobstores={"default": MemoryJobStore()},  # any other store pickles what it holds
            executors={"default": ThreadPoolExecutor(min(THREADS, max(1, len(schedules)))), "beat": DebugExecutor()},
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(_say, _TROUBLE)
        self._monotonic = monotonic
        self._beat = self._nudged = monotonic()
        self._scheduler.add_job(self._live, Beat(), id="sign of life", executor="beat")
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

    @property
    def failure(self) -> str:
        """Why it ticks no more although nobody stopped it; "" while it does."""
        return self._scheduler.failure

    def _live(self) -> None:
        self._beat = self._monotonic()

    def nudge(self) -> None:
        """Look at everything now if the signs of life stay away; to be called every now and then."""
        now = self._monotonic()
        if now - max(self._beat, self._nudged) >= LATE:
            self._nudged = now
            for job in self._scheduler.get_jobs() if self._scheduler.running else ():
                job.modify(next_run_time=datetime.now(UTC))

    def again(self, schedule: ScheduleConfig, wait: timedelta) -> None:
        """Tick once more after `wait`, unless the next tick comes before."""
        job, at = self._scheduler.get_job(rhythm.name_of(schedule)), datetime.now(UTC) + wait
        if job is not None and self._scheduler.running and job.next_run_time > at:
            job.modify(next_run_time=at)

    def stop(self) -> None:
        """Tick no more; ticks at work go on."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _say(event: JobEvent) -> None:
    """What apscheduler would only log under its own name, or not at all."""
    if event.code == EVENT_JOB_MAX_INSTANCES:
        log.info("%s: still at work when it was due again; it looks again at its next turn", event.job_id)
    elif event.code == EVENT_JOB_MISSED:
        log.warning("%s: a turn came too late and was left out; its next one makes up for it", event.job_id)
    else:
        log.error("%s: failed: %s", event.job_id, event.exception)
