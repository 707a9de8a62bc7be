"""Backfill: reads every stream of a source, records what was missed, and lets it go to the handler.

It never calls a handler: what it records, the dispatcher delivers as it delivers a live event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconcile import credentials, when
from reconcile.clock import SKEW_NOTED
from reconcile.config import SourceConfig
from reconcile.connector import Connector, Facts, Greeting, ListsItems, Rebuilds, StreamKind, StreamRef
from reconcile.context import Context, Options
from reconcile.errors import ConfigError, CredentialsRefused, ReconcileError, Stopped
from reconcile.http import ProviderClient
from reconcile.leasing import holding
from reconcile.ledger import coverage, horizons, leases
from reconcile.ledger.coverage import Covered
from reconcile.ledger.leases import Lease
from reconcile.model import Window
from reconcile.reading.plan import Ask, StreamPlan, plan, unlisted, wanted_streams
from reconcile.reading.settling import settle_left
from reconcile.reading.shared import Outcome, Streaming
from reconcile.reading.stream import failed, unread, work
from reconcile.report import RunReport, StreamReport, exit_code
from reconcile.topics import Topics

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
                _read(context, options, source, connector, lease, result)
    except Stopped:
        result.codes.append(context.stop.exit_code)
    except ReconcileError as error:
        named = f"{source.name}: "  # which a provider's error begins with already
        result.errors.append(named + str(error).removeprefix(named))
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
            f"{source.name}: connector {source.connector} cannot list anything: backfill has nothing to read"
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
        ask = _ask(context, options, source, connector, client, result)
        plans = plan(connector.facts, ask, connector.accounts(), _coverage(context, source))
        chosen = [one for one in plans if not options.streams or one.ref.name in options.streams]
        shared = _streaming(context, options, source, connector, client, lease, ask)
        _tell(result, _log_first(shared, chosen))
        if lease is not None and options.baseline:
            _move_horizons(context, source, lease, ask.start, result)
        if lease is not None and not options.streams:
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


def _ask(
    context: Context,
    options: Options,
    source: SourceConfig,
    connector: Connector,
    client: ProviderClient,
    result: Result,
) -> Ask:
    greeting = connector.greet(client)
    topics = Topics(source.webhook.topics if source.webhook else ())
    result.notes += _notes(source, connector.facts, greeting, topics)
    now, settle = _time(context, source, client, result)
    known = _horizons(context, options, source, now, result)
    return Ask(
        topics=topics,
        horizons={topic: known[topic] for topic in topics},
        now=now,
        settle=settle,
        overlap=source.overlap,
        since=options.since,
        until=options.until,
        recheck=options.recheck,
        streams=source.streams,
        account=greeting.account,
        limits=greeting.limits,
        detect_only=source.handler is None and not options.baseline,
    )


def _notes(source: SourceConfig, facts: Facts, greeting: Greeting, topics: Topics) -> list[str]:
    """What cannot be proven of what is asked, whatever is listed."""
    notes = [f"{source.name}: {warning}" for warning in greeting.heard(wanted_streams(facts, topics, source.streams))]
    if lost := unlisted(facts, topics):
        notes.append(
            f"{source.name}: nothing lists {', '.join(lost)}: what was lost of these cannot be found, and nothing here "
            "proves them complete"
        )
    return notes


def _time(context: Context, source: SourceConfig, client: ProviderClient, result: Result) -> tuple[datetime, timedelta]:
    """Provider time, and how long before it nothing is settled yet; ours, doubly careful, if it tells none."""
    now = client.provider_date
    if now is not None:
        skew = context.clock.now() - now
        context.metrics.skewed(source.name, skew.total_seconds())
        if abs(skew) >= SKEW_NOTED:
            result.notes.append(
                f"{source.name}: clock_skew: this machine's clock is {when.off(skew)} the provider's, which windows "
                "follow; set it by NTP: signatures of deliveries are refused beyond 5 minutes"
            )
        return now, source.settle
    result.notes.append(
        f"{source.name}: the provider tells no time; using this machine's clock and twice the settle time"
    )
    return context.clock.now(), 2 * source.settle


def _horizons(
    context: Context, options: Options, source: SourceConfig, now: datetime, result: Result
) -> dict[str, datetime]:
    """The horizon of every topic; those never seen start at `--since`, else at provider time now."""
    topics = source.webhook.topics if source.webhook else ()
    with context.ledger.read() as tx:
        known = horizons.get(tx, source.name)
        _check_keys(options, source, horizons.purged(tx, source.name))
    new = [topic for topic in topics if topic not in known]
    start = options.since or now
    if options.baseline:
        known |= dict.fromkeys(topics, start)
    elif new and options.since is None:
        result.notes.append(
            f"{source.name}: first sight of {', '.join(new)}: completeness is promised from {when.exact(now)} on; "
            "for what came before, use `reconcile run --since …` or, if it was handled already, "
            "`reconcile baseline --since …`"
        )
    if not (options.dry_run or options.baseline):
        with context.ledger.write() as tx:
            horizons.first_sight(tx, source.name, topics, start, "since" if options.since else "first_run")
    return known | dict.fromkeys(new, start)


def _move_horizons(context: Context, source: SourceConfig, lease: Lease, start: datetime, result: Result) -> None:
    """A baseline promises completeness from its beginning on once all of it is recorded: until then whoever reads what
    it left open would take it for missed.
    """
    if any(stream.error for stream in result.streams):
        result.notes.append(
            f"{source.name}: the baseline is not whole, so completeness is promised from where it was before; "
            "run it again once the errors are gone"
        )
        return
    with context.ledger.write() as tx:
        leases.check(tx, lease)
        horizons.set_(tx, source.name, source.webhook.topics if source.webhook else (), start, "baseline")


def _check_keys(options: Options, source: SourceConfig, purged: datetime | None) -> None:
    """Refuse to look where the record was purged: everything there would be taken for missed."""
    if purged and options.since and options.since < purged and not (options.allow_reprocess or options.baseline):
        raise ConfigError(
            f"{source.name}: what was recorded of the time before {when.exact(purged)} was purged, so all of it "
            "would be handled again; begin no earlier, or say --allow-reprocess if that is what you want"
        )


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
