"""When a schedule is due: by its cron expression in the configured zone, or by its interval. Pure.

Cron means what Debian's cron means, daylight saving included: a time of day that the clock skips comes right after
the jump, one that it repeats comes once, and what runs every so many minutes follows real time. Intervals are counted
from 1970, so that every daemon on one ledger finds the same instants due.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

from reconcile.config import ScheduleConfig
from reconcile.model import EPOCH

_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
#: Longer than any hour that a clock repeats: within one, cronsim counts from its first passing.
_FOLD = timedelta(hours=3)


def name_of(schedule: ScheduleConfig) -> str:
    """What a schedule is known by across restarts and daemons: its job, its sources and its rhythm."""
    rhythm = schedule.cron or f"every {_spelled(schedule.every or timedelta())}"
    return " ".join((schedule.job, rhythm, *sorted(schedule.sources or ())))


def _spelled(length: timedelta) -> str:
    """A duration as the configuration spells it, exactly: in the largest unit that divides it."""
    seconds = int(length.total_seconds())
    return next(f"{seconds // unit}{letter}" for letter, unit in _UNITS if seconds % unit == 0)


def latest(schedule: ScheduleConfig, zone: ZoneInfo, now: datetime) -> datetime:
    """The newest instant, not after `now`, at which the schedule was due; UTC."""
    if schedule.every is not None:
        return now - (now - EPOCH) % schedule.every
    # Backwards through a repeated half hour cronsim finds instants that it does not find forwards: those count.
    before = (at for at in _times(schedule, zone, now + _FOLD, reverse=True) if at <= now)
    ahead = (list(takewhile(lambda at: at <= now, _times(schedule, zone, one - _FOLD))) for one in before)
    return next(turns[-1] for turns in ahead if turns)


def following(schedule: ScheduleConfig, zone: ZoneInfo, after: datetime) -> datetime:
    """The first instant after `after` at which the schedule is due; UTC."""
    if schedule.every is not None:
        return after - (after - EPOCH) % schedule.every + schedule.every
    return next(at for at in _times(schedule, zone, after - _FOLD) if at > after)


def _times(schedule: ScheduleConfig, zone: ZoneInfo, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    minute = start.replace(second=0, microsecond=0)  # cron's instants are whole minutes
    times = CronSim(schedule.cron or "", minute.astimezone(zone), reverse=reverse)
    return (at.astimezone(UTC) for at in times)
