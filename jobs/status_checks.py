"""The status-checks job: ask what became of every pending transaction that is due on its ladder.

It never calls a handler: what an answer proves is recorded, and dispatched as a live event is.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from reconcile import credentials, when
from reconcile.config import SourceConfig
from reconcile.connector import ReportsStatus
from reconcile.context import Context, Options
from reconcile.errors import reason_of
from reconcile.ledger import transactions
from reconcile.report import RunReport, exit_code
from reconcile.transactions.answers import Came
from reconcile.transactions.asking import Asker
from reconcile.transactions.ladders import ladder_of
from reconcile.transactions.questions import Tally

NAME = "status-checks"


def run(context: Context, options: Options, report: RunReport) -> int:
    """Ask for every source that reports status, side by side; one broken source never stops another.

    A dry run asks nobody and says what it would ask. What is left, the runner counts.
    """
    sources = [one for one in context.sources(options) if isinstance(context.connector(one), ReportsStatus)]
    now = context.ledger.now()
    if options.dry_run:
        for source in sources:
            _say(context, source, now, report)
        return 0
    tallies = _ask(context, sources, now)
    for source, tally in zip(sources, tallies, strict=True):
        _tell(report, source, tally)
        _tell_of_credentials(context, source, tally)
    if bug := next((tally.bug for tally in tallies if tally.bug), None):
        raise bug
    stopped = [context.stop.exit_code] if context.stop.is_set() else []
    return exit_code([*stopped, *(code for tally in tallies for code in tally.codes)])


def _ask(context: Context, sources: list[SourceConfig], now: datetime) -> list[Tally]:
    askers = [Asker(context, source, context.connector(source), now) for source in sources]
    if not context.threads or len(askers) < 2:
        return [asker.run() for asker in askers]
    with ThreadPoolExecutor(len(askers), thread_name_prefix="status") as pool:
        return list(pool.map(Asker.run, askers))


def _tell(report: RunReport, source: SourceConfig, tally: Tally) -> None:
    report.transactions["checked"] += tally.checked
    report.transactions["resolved"] += tally.came[Came.RESOLVED]
    if tally.error:
        report.errors.append(f"{source.name}: {reason_of(source.name, tally.error)}")
    if tally.failed > 1:
        report.notes.append(
            f"{source.name}: {when.times(tally.failed, 'transaction')} could not be asked about; nothing changed"
        )


def _tell_of_credentials(context: Context, source: SourceConfig, tally: Tally) -> None:
    if tally.refused:
        credentials.refused(context, source.name, NAME, tally.refused)
    elif tally.checked and not tally.failed:
        credentials.accepted(context, source.name, NAME)


def _say(context: Context, source: SourceConfig, now: datetime, report: RunReport) -> None:
    ladder = ladder_of(context.config, source)
    with context.ledger.read() as tx:
        number = transactions.count_due(tx, source.name, ladder, now)
        first = transactions.due(tx, source.name, ladder, now, 10)
    if number:
        names = ", ".join(str(one.subject) for one in first)
        more = f" and {number - len(first)} more" if number > len(first) else ""
        report.notes.append(f"{source.name}: would ask about {when.times(number, 'transaction')}: {names}{more}")
    report.transactions["checked"] += number
