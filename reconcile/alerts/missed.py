"""Turns of schedules, and jobs that have not ended well for some of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from reconcile import rhythm, when
from reconcile.alerts.keys import STATE
from reconcile.config import AlertsConfig, Config, ScheduleConfig
from reconcile.ledger import Tx, incidents, watching
from reconcile.ledger.incidents import Opening
from reconcile.model import IncidentKind


def turn(schedule: ScheduleConfig, config: Config, tx: Tx, back: int) -> datetime:
    """The instant at which a schedule was due, so many turns ago."""
    zone, at = ZoneInfo(config.timezone), tx.now
    for _ in range(back):
        at = rhythm.latest(schedule, zone, at) - timedelta(microseconds=1)
    return at


def is_for(schedule: ScheduleConfig, source: str) -> bool:
    """Whether a source has its turns by this schedule."""
    return schedule.sources is None or source in schedule.sources


def runs(tx: Tx, config: Config, limits: AlertsConfig) -> Iterator[Opening]:
    """Jobs that are scheduled and did not end well for some turns. `dispatch` has no runs in a daemon."""
    seen = watching.seen(tx)
    watched = [one for one in config.schedules if one.job not in ("alerts", "dispatch")]
    for schedule in watched:
        chances = [seen.since(schedule.job, name) for name in config.sources if is_for(schedule, name)]
        start = min((one for one in chances if one is not None), default=None)
        if start is not None and start < turn(schedule, config, tx, limits.silence.runs):
            yield _unwell(schedule, start)


def _unwell(schedule: ScheduleConfig, since: datetime) -> Opening:
    named = schedule.sources or ()
    of = f" for {', '.join(named)}" if named else ""
    return Opening(
        "",
        IncidentKind.SILENCE,
        f"{STATE}runs:{rhythm.name_of(schedule)}",
        f"no run of {schedule.job}{of} ended well since {when.stamp(since)}",
        since=since,
        command=incidents.command("run", schedule.job, *(word for name in named for word in ("--source", name))),
    )
