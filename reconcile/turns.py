"""Taking the turns of schedules: what is due since the last turn runs once, whoever of several runners takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from reconcile import records, rhythm, runner
from reconcile.config import ScheduleConfig
from reconcile.context import Context, Options
from reconcile.errors import LedgerError
from reconcile.ledger import ticks
from reconcile.report import RunReport

#: How far runners' clocks may be apart. A turn from further ahead was taken by a clock that has been put right since:
#: it must not silence its schedule until then.
APART = timedelta(minutes=5)

#: How a run ends that did not come to its end by itself: without its ledger, or by a signal.
CUT_OFF = (LedgerError.exit_code, 130, 143)

#: How a turn is run: `runner.run`, or that with something around it.
Run = Callable[[Context, Sequence[str], Options, str], RunReport]


def in_order(schedules: Sequence[ScheduleConfig]) -> list[ScheduleConfig]:
    """Schedules in the order their jobs have in a run; other jobs last."""
    order = {job: place for place, job in enumerate(runner.ORDER)}
    return sorted(schedules, key=lambda schedule: order.get(schedule.job, len(order)))


def due(context: Context) -> list[ScheduleConfig]:
    """The schedules with a turn nobody took yet, in order; one that never had a turn is due."""
    schedules, zone, now = context.config.schedules, _zone(context), context.clock.now()
    with context.ledger.read() as tx:
        taken = ticks.newest(tx, [rhythm.name_of(schedule) for schedule in schedules])
    return [
        schedule
        for schedule in in_order(schedules)
        if (last := taken.get(rhythm.name_of(schedule))) is None
        or not rhythm.latest(schedule, zone, now) <= last <= now + APART
    ]


def take(context: Context, schedule: ScheduleConfig) -> bool:
    """Take the newest turn of a schedule; False if it was taken already, here or by another runner."""
    now = context.clock.now()
    at = rhythm.latest(schedule, _zone(context), now)
    with context.ledger.write() as tx:
        return ticks.take(tx, rhythm.name_of(schedule), at, context.holder.name, beyond=now + APART)


def run(context: Context, schedule: ScheduleConfig, command: str, wait: timedelta, how: Run = runner.run) -> RunReport:
    """Run the job of a turn that was taken. One that was cut off, or lost its ledger, can be taken again."""
    options = Options(sources=schedule.sources or (), scheduled=True, wait=wait)
    own = replace(context, run_id="")
    report = how(own, [schedule.job], options, command)
    records.finished(report)
    if report.exit_code in CUT_OFF:
        with suppress(LedgerError):
            give_back(context, schedule)
    return report


def give_back(context: Context, schedule: ScheduleConfig) -> None:
    """Let the turn of a schedule that was taken here be taken once more: the next one may be a week away."""
    with context.ledger.write() as tx:
        ticks.give_back(tx, rhythm.name_of(schedule), context.holder.name)


def run_due(
    context: Context, command: str, wait: timedelta, how: Run = runner.run
) -> Iterator[tuple[ScheduleConfig, RunReport]]:
    """Take and run every turn that is due, one after the other, until asked to stop."""
    for schedule in due(context):
        if not context.stop.is_set() and take(context, schedule):
            yield schedule, run(context, schedule, command, wait, how)


def _zone(context: Context) -> ZoneInfo:
    return ZoneInfo(context.config.timezone)
