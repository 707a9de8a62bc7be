"""Backfill: reads every stream of a source, records what was missed, and lets it go to the handler.

It never calls a handler: what it records, the dispatcher delivers as it delivers a live event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from reconcile import credentials
from reconcile.config import SourceConfig
from reconcile.connector import Connector, ListsItems, Rebuilds, StreamKind, StreamRef
from reconcile.context import Context, Options
from reconcile.errors import ConfigError, CredentialsRefused, ReconcileError, Stopped, reason_of
from reconcile.http import ProviderClient
from reconcile.leasing import holding
from reconcile.ledger import coverage
from reconcile.ledger.coverage import Covered
from reconcile.ledger.leases import Lease
from reconcile.model import Window
from reconcile.reading.asking import Asking
from reconcile.reading.plan import StreamPlan, plan
from reconcile.reading.question import Ask
from reconcile.reading.settling import settle_left
from reconcile.reading.shared import Outcome, Streaming
from reconcile.reading.stream import failed, unread, work
from reconcile.report import RunReport, StreamReport, exit_code

NAME = "backfill"


@dataclass(slots=True)
class Result:
    """What one source came to."""

    streams: list[StreamReport] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refused: CredentialsRefused | None = None
    bug: Exception | None = None


def run(context: Context, options: Options, report: RunReport) -> int:
    """Backfill every source asked for, side by side; one broken source never stops another."""
    sources = context.sources(options)
    if context.threads:
        with ThreadPoolExecutor(max_workers=max(1, len(sources)), thread_name_prefix="backfill") as pool:
            results = list(pool.map(lambda source: _source(context, options, source), sources))
    else:
        results = [_source(context, options, source) for source in sources]
    again = {(stream.source, stream.stream) for result in results for stream in result.streams}
    # Of a stream that this run has read before, what it came to in all is told once.
    report.streams = [one for one in report.streams if (one.source, one.stream) not in again]
    for result in results:
        report.streams += result.streams
        report.notes += result.notes
        report.errors += result.errors
    if bug := next((result.bug for result in results if result.bug), None):
        raise bug
    return exit_code(code for result in results for code in result.codes)


def _source(context: Context, options: Options, source: SourceConfig) -> Result:
    result = _attempt(context, options, source)
    if options.dry_run or context.stop.is_set():
        return result
    if result.refused:
        credentials.refused(context, source.name, NAME, result.refused)
    elif not result.errors and not result.bug:
        credentials.accepted(context, source.name, NAME)
    return result


def _attempt(context: Context, options: Options, source: SourceConfig) -> Result:
    result = Result()
    try:
        connector = _readable(context, source)
        if options.dry_run:
            _read(context, options, source, connector, None, result)
        else:
            with holding(context, source.name, NAME) as lease:
                context.at_work()
                _read(context, options, source, connector, lease, result)
    except Stopped:
        result.codes.append(context.stop.exit_code)
    except ReconcileError as error:
        result.errors.append(f"{source.name}: {reason_of(source.name, error)}")
        result.codes.append(error.exit_code)
        result.refused = error if isinstance(error, CredentialsRefused) else None
        if not result.streams:
            result.streams += failed(context.connector(source).facts, source, _asked(context, options), str(error))
    except Exception as error:  # noqa: BLE001 - raised again once every other source is through
        result.bug = error
        if not result.streams:
            told = f"a bug, please report it: {type(error).__name__}"
            result.streams += failed(context.connector(source).facts, source, _asked(context, options), told)
    return result


def _asked(context: Context, options: Options) -> Window:
    """The time a run was asked about, as far as that can be said without asking the provider."""
    end = options.until or context.clock.now()
    return Window(min(options.since or end, end), end)


def _readable(context: Context, source: SourceConfig) -> Connector:
    connector = context.connector(source)
    if not isinstance(connector, ListsItems):
        raise ConfigError(
            f"{source.name}: connector {source.connector} cannot list anything, so backfill has nothing to read; "
            "name its other sources: --source, or `sources:` of the schedule"
        )
    if source.webhook is None or not source.webhook.topics:
        raise ConfigError(
            f"{source.name}: webhook.topics is empty: there is nothing to compare; name the topics you handle"
        )
    return connector


def _read(
    context: Context, options: Options, source: SourceConfig, connector: Connector, lease: Lease | None, result: Result
) -> None:
    client = context.client(source, connector)
    try:
        asking = Asking(context, options, source, result.notes)
        ask = asking.ask(connector, client)
        plans = plan(connector.facts, ask, connector.accounts(), _coverage(context, source))
        chosen = [one for one in plans if not options.streams or one.ref.name in options.streams]
        shared = _streaming(context, options, source, connector, client, lease, ask)
        _tell(result, _log_first(shared, chosen))
        whole = not any(stream.error for stream in result.streams)
        if lease is not None and options.baseline:
            asking.promise(ask, lease, whole=whole)
        if lease is not None and not options.streams and (whole or not options.baseline):
            left = settle_left(shared, [str(one.ref) for one in plans])
            result.codes += left.codes
            result.notes += left.notes
    finally:
        client.close()


def _tell(result: Result, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        result.streams.append(outcome.report)
        result.codes += outcome.codes
        result.notes += outcome.notes
        result.refused = result.refused or outcome.refused
    result.bug = next((outcome.bug for outcome in outcomes if outcome.bug), None)


def _log_first(shared: Streaming, plans: Sequence[StreamPlan]) -> list[Outcome]:
    """Of a fact that happens again and again, a list must see that the log recorded one already."""
    logs = [one for one in plans if one.facts.kind is StreamKind.LOG]
    lists = [one for one in plans if one.facts.kind is StreamKind.LIST]
    outcomes = _side_by_side(shared, logs)
    dark = {one.ref.account for one, outcome in zip(logs, outcomes, strict=True) if outcome.report.error}
    outcomes += [unread(shared, one) for one in lists if one.ref.account in dark]
    return outcomes + _side_by_side(shared, [one for one in lists if one.ref.account not in dark])


def _side_by_side(shared: Streaming, plans: Sequence[StreamPlan]) -> list[Outcome]:
    if shared.context.threads and len(plans) > 1:
        with ThreadPoolExecutor(max_workers=len(plans), thread_name_prefix=shared.source.name) as pool:
            return list(pool.map(lambda one: work(shared, one), plans))
    return [work(shared, one) for one in plans]


def _coverage(context: Context, source: SourceConfig) -> Callable[[StreamRef, str], list[Covered]]:
    def load(ref: StreamRef, fingerprint: str) -> list[Covered]:
        with context.ledger.read() as tx:
            return coverage.load(tx, source.name, str(ref), fingerprint)

    return load


def _streaming(
    context: Context,
    options: Options,
    source: SourceConfig,
    connector: Connector,
    client: ProviderClient,
    lease: Lease | None,
    ask: Ask,
) -> Streaming:
    # What the provider said last is never later than it is there now, whatever our own clock does meanwhile.
    return Streaming(
        context=context,
        options=options,
        source=source,
        connector=connector,
        rebuild=connector.rebuild if isinstance(connector, Rebuilds) else None,
        client=client,
        lease=lease,
        ask=ask,
        now=lambda: client.provider_date or context.clock.now(),
        began=context.ledger.now(),
    )
