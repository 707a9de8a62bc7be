"""A run: its row, its jobs in order, and the report they end in. Nothing of ours leaves it as an exception."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import entry_points, version

import msgspec

from reconcile import failpoints
from reconcile.alerts import deadman
from reconcile.context import Context, Options
from reconcile.counting import count_left, count_streams, open_unhandled
from reconcile.errors import ConfigError, LedgerError, ReconcileError, Stopped
from reconcile.ledger import findings, runs
from reconcile.report import RunReport, exit_code

#: The exit code shown for a run that never came to its end, as a shell shows a process that was killed.
KILLED = 137
JOBS = "reconcile.jobs"
REPAIRS = "subscriptions"
#: The order of a run that names no job. Those not installed are passed over.
ORDER = (REPAIRS, "backfill", "status-checks", "dispatch", "alerts")

Job = Callable[[Context, Options, RunReport], int]


def installed() -> tuple[str, ...]:
    """The name of every installed job, in the order of a run."""
    found = {point.name for point in entry_points(group=JOBS)}
    return tuple(name for name in ORDER if name in found) + tuple(sorted(found - set(ORDER)))


def _load(name: str) -> Job:
    job: Job = next(point for point in entry_points(group=JOBS) if point.name == name).load()
    return job


def run(context: Context, names: Sequence[str], options: Options, command: str) -> RunReport:
    """Run the jobs called `names`, those of `ORDER` if none is named; the exit code is in the report."""
    jobs = installed()
    unknown = [name for name in names if name not in jobs]
    if unknown:
        raise ConfigError(f"no job is called {unknown[0]!r}; there are: {', '.join(jobs)}")
    report = RunReport("", context.clock.now(), options.since, options.until, options.dry_run)
    codes: list[int] = []
    chosen = tuple(names) or tuple(job for job in jobs if job in ORDER)
    switch = deadman.Switch(context, options, chosen)
    try:
        _begin(context, options, command, chosen, report)
        context.at_work = switch.begin
        for name in chosen:
            codes += [] if context.stop.is_set() else [_job(context, options, report, name)]
        codes += _make_up(context, options, report, chosen)
    except LedgerError as error:
        codes.append(_failed(report, error))
    codes.append(_finish(context, options, report, codes))
    switch.end(report)
    return report


def _begin(context: Context, options: Options, command: str, jobs: tuple[str, ...], report: RunReport) -> None:
    if options.dry_run:
        report.run = context.run_id = "dry-run"
        return
    with context.ledger.write() as tx:
        for crashed in runs.crashed(tx):
            report.notes.append(
                f"run {crashed.id} ended abnormally; what it committed stays, what it left open is read again"
            )
            runs.finish(tx, crashed.id, KILLED, b"")
        started = runs.RunStart(
            command=command,
            jobs=jobs,
            sources=tuple(source.name for source in context.sources(options)),
            since=options.since,
            until=options.until,
            code_version=version("reconcile"),
            holder=context.holder,
        )
        report.run = context.run_id = runs.start(tx, started)


def _job(context: Context, options: Options, report: RunReport, name: str) -> int:
    try:
        return _load(name)(context, options, report)
    except Stopped:
        return context.stop.exit_code
    except ReconcileError as error:
        return _failed(report, error)
    except Exception as error:  # noqa: BLE001 - a bug ends in the report too, with its place, and exits 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        report.errors.append(
            f"a bug, please report it: {type(error).__name__} at {place.filename.rpartition('/')[2]}:{place.lineno}"
        )
        report.bug = error
        return 1


def _make_up(context: Context, options: Options, report: RunReport, asked: Sequence[str]) -> list[int]:
    """Backfill the sources whose subscriptions were repaired, unless the run has done so after the repair."""
    later = asked[asked.index(REPAIRS) + 1 :] if REPAIRS in asked else []
    if not report.repaired or "backfill" in later:
        return []
    repaired = replace(options, sources=tuple(report.repaired), streams=(), until=None)
    jobs = ("backfill", "dispatch")
    return [_job(context, repaired, report, name) for name in jobs if not context.stop.is_set()]


def _failed(report: RunReport, error: ReconcileError) -> int:
    report.errors.append(str(error))
    return error.exit_code


def _finish(context: Context, options: Options, report: RunReport, codes: Sequence[int]) -> int:
    """Count what is left, give the run its exit code, and keep the report."""
    try:
        left = _count(context, options, report)
        report.finished_at = context.clock.now()
        stop = [context.stop.exit_code] if context.stop.is_set() else []
        report.exit_code = exit_code([*codes, *stop, 3 if left else 0])
        if not options.dry_run and report.run:
            _keep(context, report)
    except LedgerError as error:
        report.finished_at = context.clock.now()
        report.exit_code = exit_code([*codes, _failed(report, error)])
    return report.exit_code


def _count(context: Context, options: Options, report: RunReport) -> bool:
    """Fill in the counts and the window that was asked for; whether anything is left."""
    sources = context.sources(options)
    if not options.dry_run:
        with context.ledger.write() as tx:
            open_unhandled(tx, sources, report.started_at)
    with context.ledger.read() as tx:
        if not options.dry_run:
            count_streams(tx, report)
        left = count_left(tx, sources, report)
    report.since = report.since or min((stream.start for stream in report.streams), default=None)
    report.until = report.until or max((stream.end for stream in report.streams), default=None)
    return left


def _keep(context: Context, report: RunReport) -> None:
    failpoints.reach("run.before_finish")
    with context.ledger.write() as tx:
        findings.clear(tx, report.run)
        runs.finish(tx, report.run, report.exit_code, msgspec.json.encode(report.as_json()))
    failpoints.reach("run.finished")
