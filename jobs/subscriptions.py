"""The subscriptions job: what the configuration wants against what each provider has, mended where it differs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from reconcile import credentials
from reconcile.config import SourceConfig
from reconcile.connector import ListsItems
from reconcile.context import Context, Options
from reconcile.errors import CredentialsRefused, ReconcileError, Stopped, reason_of
from reconcile.report import RunReport, exit_code
from reconcile.subscriptions.source import Checked, check

NAME = "subscriptions"


def run(context: Context, options: Options, report: RunReport) -> int:
    """Check every source asked for, side by side; one broken source never stops another.

    The sources whose subscriptions had to be repaired are left in `report.repaired`, for the runner to backfill.
    """
    sources = context.sources(options)
    if context.threads:
        with ThreadPoolExecutor(max_workers=max(1, len(sources)), thread_name_prefix="subscriptions") as pool:
            results = list(pool.map(lambda source: _source(context, options, source), sources))
    else:
        results = [_source(context, options, source) for source in sources]
    for source, checked in zip(sources, results, strict=True):
        report.subscriptions += [
            {"source": source.name, "topic": row.topic, "found": row.found.value, "action": row.action.value}
            for row in checked.rows
        ]
        report.notes += checked.notes
        report.errors += checked.errors
        if checked.repaired and isinstance(context.connector(source), ListsItems):
            report.repaired.append(source.name)
    if bug := next((checked.bug for checked in results if checked.bug), None):
        raise bug
    return exit_code(code for checked in results for code in checked.codes)


def _source(context: Context, options: Options, source: SourceConfig) -> Checked:
    try:
        checked = check(context, source, dry_run=options.dry_run, prune=options.prune)
    except Stopped:
        return Checked(codes=[context.stop.exit_code])
    except ReconcileError as error:
        if isinstance(error, CredentialsRefused) and not options.dry_run:
            credentials.refused(context, source.name, NAME, error)
        return Checked(errors=[f"{source.name}: {reason_of(source.name, error)}"], codes=[error.exit_code])
    except Exception as error:  # noqa: BLE001 - raised again once every other source is through
        return Checked(bug=error)
    if not options.dry_run:
        credentials.accepted(context, source.name, NAME)
    return checked
