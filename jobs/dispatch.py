"""The dispatch job: deliver what is due to the sources' handlers, and wait a while for retries that come due."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime

from reconcile.config import SourceConfig
from reconcile.context import Context, Options
from reconcile.dispatch import Dispatcher, dispatcher_of, drain
from reconcile.errors import ReconcileError
from reconcile.ledger import waiting
from reconcile.report import HandlerReport, RunReport, exit_code


def run(context: Context, options: Options, report: RunReport) -> int:
    """Deliver for every source with a handler, side by side, waiting at most `options.wait` in all.

    A handler that cannot be loaded never stops another source's. A dry run calls nobody. A stop ends it early with
    everything given back; what is left, the runner counts.
    """
    if options.dry_run:
        return 0
    codes: list[int] = []
    until = context.ledger.now() + options.wait
    with ExitStack() as stack:
        dispatchers = []
        for source in _busy(context, options, until):
            try:
                dispatchers.append(_dispatcher(context, source, stack))
            except ReconcileError as error:
                report.errors.append(f"{source.name}: {error}")
                codes.append(error.exit_code)
        try:
            drain(dispatchers, until, context.ledger, context.clock, context.stop)
        finally:
            report.handlers += [_report(dispatcher) for dispatcher in dispatchers]
    return exit_code(codes)


def _busy(context: Context, options: Options, until: datetime) -> list[SourceConfig]:
    """The sources with something to deliver by `until`: for the others no worker process need be started."""
    found = []
    for source in context.sources(options):
        if source.handler is not None:
            with context.ledger.read() as tx:
                number = waiting.due(tx, source.name, until).number
            context.progress.deliver(source.name, number)
            found += [source] if number else []
    return found


def _dispatcher(context: Context, source: SourceConfig, stack: ExitStack) -> Dispatcher:
    target = context.targets(context, source)
    stack.callback(target.close)
    return dispatcher_of(context, source, target)


def _report(dispatcher: Dispatcher) -> HandlerReport:
    tally = dispatcher.tally
    return HandlerReport(
        dispatcher.source.name,
        handled=tally.handled,
        pending=tally.pending,
        failed=tally.failed,
        dead=tally.dead,
        held=tally.held,
        paused=tally.paused,
    )
