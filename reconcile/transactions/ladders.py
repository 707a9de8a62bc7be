"""Which ladder a source's transactions climb. Pure."""

from __future__ import annotations

from datetime import timedelta

from reconcile.config import Config, SourceConfig
from reconcile.transactions.transaction import LADDER

JOB = "status-checks"


def ladder_of(config: Config, source: SourceConfig) -> tuple[timedelta, ...]:
    """The source's own, else that of the first schedule of the job that has one for it, else the usual one."""
    if source.ladder:
        return source.ladder
    schedules = [one for one in config.schedules if one.job == JOB and source.name in (one.sources or (source.name,))]
    return next((one.ladder for one in schedules if one.ladder), LADDER)
