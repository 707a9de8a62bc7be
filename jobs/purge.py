"""The purge job: let go of what need not be kept. What events carry goes first; the keys that dedupe them stay.

Keys go only where `keep_keys` says so, and then completeness is promised from there on: an older `--since` would take
everything before for missed, and is refused without `--allow-reprocess`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from reconcile import failpoints
from reconcile.config import ScheduleConfig, SourceConfig
from reconcile.context import Context, Options
from reconcile.errors import ConfigError
from reconcile.ledger import Tx, horizons, purging
from reconcile.ledger.purging import Batch
from reconcile.report import RunReport
from reconcile.when import stamp, times

NAME = "purge"


def run(context: Context, options: Options, report: RunReport) -> int:
    """Purge each source by the schedules that name it. A dry run only says what it would let go of."""
    schedules = [schedule for schedule in context.config.schedules if schedule.job == NAME]
    if not schedules:
        raise ConfigError(
            "purge: no schedule says what to keep; add one, such as {job: purge, every: 1d, keep_payloads: 90d}"
        )
    now = context.ledger.now()
    for source in context.sources(options):
        mine = [one for one in schedules if one.sources is None or source.name in one.sources]
        payloads = min((one.keep_payloads for one in mine if one.keep_payloads), default=None)
        keys = min((one.keep_keys for one in mine if one.keep_keys), default=None)
        if payloads:
            _payloads(context, options, report, source, now - payloads)
        if keys:
            _keys(context, options, report, source, now - keys)
    if not options.dry_run:
        _over(context, now, schedules)
    return 0


def _payloads(context: Context, options: Options, report: RunReport, source: SourceConfig, before: datetime) -> None:
    if options.dry_run:
        report.notes.append(f"{source.name}: would let go of what events from before {stamp(before)} carry")
        return
    gone = _each(context, lambda tx, after: purging.payloads(tx, source.name, before, after))
    if gone:
        report.notes.append(f"{source.name}: let go of what {times(gone, 'event')} from before {stamp(before)} carried")


def _keys(context: Context, options: Options, report: RunReport, source: SourceConfig, wanted: datetime) -> None:
    """Forget old events, first saying that nothing is promised of them: a crash in between forgets too little."""
    with context.ledger.read() as tx:
        before = purging.forgettable(tx, source.name, wanted)
    if options.dry_run:
        report.notes.append(f"{source.name}: would forget events from before {stamp(before)}")
        return
    with context.ledger.write() as tx:
        horizons.raise_to(tx, source.name, before)
    failpoints.reach("purge.promised")
    gone = _each(context, lambda tx, after: purging.keys(tx, source.name, before, after))
    if gone:
        report.notes.append(f"{source.name}: forgot {times(gone, 'event')} from before {stamp(before)}")


def _each(context: Context, batch: Callable[[Tx, int], Batch]) -> int:
    gone, after = 0, 0
    while True:
        context.stop.check()
        with context.ledger.write() as tx:
            done = batch(tx, after)
        failpoints.reach("purge.forgotten")
        gone += done.gone
        if done.after is None:
            return gone
        after = done.after


def _over(context: Context, now: datetime, schedules: list[ScheduleConfig]) -> None:
    """Runs, transactions, incidents and mails that are over, once the longest of the times has passed."""
    before = now - max((one.keep_payloads or one.keep_keys or timedelta() for one in schedules), default=timedelta())
    for forget in (purging.old_runs, purging.transactions, purging.incidents):
        gone = purging.BATCH
        while gone >= purging.BATCH:
            context.stop.check()
            with context.ledger.write() as tx:
                gone = forget(tx, before)
