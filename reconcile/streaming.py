"""One stream of one source in one run: from its plan to its report, the valve included."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconcile import recorded, valve
from reconcile.config import SourceConfig
from reconcile.connector import Connector, Facts, ListsItems, StreamKind
from reconcile.context import Context, Options
from reconcile.diff import Rebuild
from reconcile.errors import ProviderError, ReconcileError, Stopped
from reconcile.http import ProviderClient
from reconcile.inbox import Book
from reconcile.judge import Scope
from reconcile.ledger import checkpoints, closing, coverage, events, gaps, leases, streams
from reconcile.ledger.coverage import Covered
from reconcile.ledger.leases import Lease
from reconcile.model import Candidate, EventState, GapKind, Snapshot, iso
from reconcile.plan import Ask, StreamPlan, satisfies
from reconcile.planner import Planner
from reconcile.reading import Reader, read, resumable
from reconcile.record import DryRecorder, LedgerRecorder, OpenWindow, Recorder, StreamKey
from reconcile.report import StreamReport
from reconcile.windows import final_part, holes


@dataclass(frozen=True, slots=True)
class Streaming:
    """What the streams of a source share in a run. `lease` is None in a dry run, which writes nothing.

    `now` is provider time; `began` is the ledger's time when the run began with this source.
    """

    context: Context
    options: Options
    source: SourceConfig
    connector: Connector
    rebuild: Rebuild | None
    client: ProviderClient
    lease: Lease | None
    ask: Ask
    now: Callable[[], datetime]
    began: datetime


@dataclass(slots=True)
class Outcome:
    """A stream's report, with its exit codes and sentences for people; `bug` is what none of ours raised."""

    report: StreamReport
    codes: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bug: Exception | None = None


def failed(facts: Facts, source: SourceConfig, at: datetime, error: str) -> list[StreamReport]:
    """Reports for a source that could not even be asked: nothing of it is covered."""
    names = source.streams or tuple(stream.name for stream in facts.streams[:1])
    return [StreamReport(source.name, name, at, at, error=error) for name in names]


def work(shared: Streaming, planned: StreamPlan) -> Outcome:
    """Read what the plan needs, note what nobody can tell, settle the valve, and report. Raises nothing of ours."""
    name = str(planned.ref)
    report = StreamReport(shared.source.name, name, planned.asked.start, planned.asked.end)
    outcome = Outcome(report)
    key = (shared.source.name, name)
    shared.context.progress.begin(key, sum(window.seconds for window in planned.need))
    try:
        _work(shared, planned, outcome)
    except ReconcileError as error:
        outcome.codes.append(error.exit_code)
        report.error = report.error or str(error)
        report.covered = False
    except Exception as error:  # noqa: BLE001 - told once the other streams are through: they are none the worse for it
        outcome.bug = error
        report.error = f"a bug, please report it: {type(error).__name__}"
        report.covered = False
    shared.context.progress.end(key, report.error)
    return outcome


def unread(shared: Streaming, planned: StreamPlan) -> Outcome:
    """A list whose log could not be read: alone it would take in what only the log can tell apart."""
    asked = planned.asked
    error = f"{planned.ref} is read once the event log has been, which could not be read; run again later"
    report = StreamReport(shared.source.name, str(planned.ref), asked.start, asked.end, error=error)
    return Outcome(report, codes=[ProviderError.exit_code])


def _work(shared: Streaming, planned: StreamPlan, outcome: Outcome) -> None:
    """Read, and settle what was read even if reading failed. Raises only what the ledger does about the rest."""
    recorder, planner = _recorder(shared, planned), _planner(shared, planned)
    report = outcome.report
    try:
        _say_beyond(shared, planned, outcome)
        read(_reader(shared, planned, recorder), planner, _resumed(shared, planned, planner))
    except Stopped:
        outcome.codes.append(shared.context.stop.exit_code)
        report.error = "stopped by a signal; run again to go on"
    except ReconcileError as error:
        outcome.codes.append(error.exit_code)
        report.error = str(error)
    _end(shared, planned, planner, recorder, outcome)


def _recorder(shared: Streaming, planned: StreamPlan) -> Recorder:
    if shared.lease is None:
        return DryRecorder(floors=planned.floors, detect_only=shared.source.handler is None)
    baseline = shared.options.baseline
    book = Book(
        shared.source.name,
        EventState.HANDLED if baseline else EventState.HELD,
        subscribed=frozenset(planned.floors),
        repeats_by_bytes=False,
        run_id=shared.context.run_id,
        stream=str(planned.ref),
    )
    return LedgerRecorder(
        ledger=shared.context.ledger,
        lease=shared.lease,
        key=StreamKey(shared.source.name, str(planned.ref), planned.fingerprint),
        book=book,
        floors=planned.floors,
        overlap=shared.ask.overlap,
        resumable=resumable(planned.facts),
        detect_only=shared.source.handler is None and not baseline,
    )


def _reader(shared: Streaming, planned: StreamPlan, recorder: Recorder) -> Reader:
    assert isinstance(shared.connector, ListsItems)  # noqa: S101 - narrows for mypy; the job has asked
    scope = Scope(
        source=shared.source.name,
        stream=planned.facts,
        topics=frozenset(planned.floors),
        floors=planned.floors,
        floor=shared.ask.floor,
        rebuild=shared.rebuild or _proves_nothing,
        elsewhere=recorded.of(shared.source),
        has_handler=shared.source.handler is not None,
    )
    return Reader(
        ledger=shared.context.ledger,
        connector=shared.connector,
        client=shared.client,
        ref=planned.ref,
        facts=planned.facts,
        scope=scope,
        recorder=recorder,
        now=shared.now,
        stop=shared.context.stop,
        progress=shared.context.progress,
        threads=min(shared.context.threads, planned.facts.parallel),
        sees_all=planned.ref.name not in (shared.ask.limits or {}),
    )


def _proves_nothing(_snapshot: Snapshot, _topics: frozenset[str]) -> Sequence[Candidate]:
    return ()


def _planner(shared: Streaming, planned: StreamPlan) -> Planner:
    with shared.context.ledger.read() as tx:
        known = streams.get(tx, shared.source.name, str(planned.ref))
    return Planner(
        planned.need, page_size=planned.facts.page_size, step=planned.facts.resolution, density=known.density
    )


def _resumed(shared: Streaming, planned: StreamPlan, planner: Planner) -> list[OpenWindow]:
    """The windows an earlier run left open, where its cursors still lead on; the planner need not hand them out."""
    if shared.lease is None or shared.options.recheck or not resumable(planned.facts):
        return []
    with shared.context.ledger.read() as tx:
        left = checkpoints.open_windows(tx, shared.source.name, str(planned.ref), planned.fingerprint)
    usable = [
        one
        for one in left
        if satisfies(Covered(one.window, one.read_at, one.floors), planned.floors, log=_is_log(planned))
        and not holes(one.window, planned.need)
        and one.read_at - one.window.end >= shared.ask.settle
    ]
    planner.skip(one.window for one in usable)
    return [OpenWindow(one.window, one.read_at, one.cursor, one.pages, one.items) for one in usable]


def _is_log(planned: StreamPlan) -> bool:
    return planned.facts.kind is StreamKind.LOG


def _say_beyond(shared: Streaming, planned: StreamPlan, outcome: Outcome) -> None:
    """One `beyond_retention` gap a stream, over all the stretches that nobody can tell of any more.

    What is lost for good is told again when there is more of it, even if a person ignored what was lost before.
    """
    if not planned.beyond:
        return
    outcome.report.unlisted_gaps += 1
    if shared.lease is None:
        return
    with shared.context.ledger.write() as tx:
        leases.check(tx, shared.lease)
        gaps.open_(
            tx,
            source=shared.source.name,
            kind=GapKind.BEYOND_RETENTION,
            key=str(planned.ref),
            stream=str(planned.ref),
            reason=". ".join(f"{beyond.reason}; {beyond.window}" for beyond in planned.beyond),
            run_id=shared.context.run_id,
            start=min(beyond.window.start for beyond in planned.beyond),
            end=max(beyond.window.end for beyond in planned.beyond),
            grows=not all(beyond.proven for beyond in planned.beyond),
        )


def _end(shared: Streaming, planned: StreamPlan, planner: Planner, recorder: Recorder, outcome: Outcome) -> None:
    """Say what is covered now, remember the density, and let the valve decide."""
    report = outcome.report
    covered = _covered(shared, planned, recorder)
    unproven = any(not beyond.proven for beyond in planned.beyond)
    lacking = [*recorder.incomplete, *holes(planned.asked, [one.window for one in covered])]
    if lacking and report.error is None:
        report.error = f"the listing of {lacking[0]} lacks what the provider still has; run again later"
        outcome.codes.append(ProviderError.exit_code)
    report.covered = report.error is None and not unproven
    finals = [final_part(one.window, one.read_at, shared.ask.overlap) for one in covered]
    provisional = holes(planned.asked, [window for window in finals if window is not None])
    report.provisional_from = provisional[0].start if provisional else None
    if isinstance(recorder, DryRecorder):
        _count_dry(report, recorder)
        _foretell(shared, outcome)
        return
    _settle(shared, planned, planner, outcome)


def _covered(shared: Streaming, planned: StreamPlan, recorder: Recorder) -> list[Covered]:
    found = list(recorder.covered) if isinstance(recorder, DryRecorder) else []
    with shared.context.ledger.read() as tx:
        found += coverage.load(tx, shared.source.name, str(planned.ref), planned.fingerprint)
    usable = [one for one in found if satisfies(one, planned.floors, log=_is_log(planned))]
    return usable + [Covered(window, shared.ask.now + shared.ask.overlap, {}) for window in planned.elsewhere]


def _settle(shared: Streaming, planned: StreamPlan, planner: Planner, outcome: Outcome) -> None:
    assert shared.lease is not None  # noqa: S101 - narrows for mypy; a dry run has returned
    name = str(planned.ref)
    with shared.context.ledger.write() as tx:
        leases.check(tx, shared.lease)
        error = outcome.report.error or ""
        question = planned.fingerprint
        streams.save(tx, shared.source.name, name, density=planner.density, error=error, fingerprint=question)
        closing.close_arrived(tx, shared.source.name)
        if outcome.report.covered:
            asked = planned.asked
            began = shared.began
            closing.close_listed(tx, shared.source.name, name, start=asked.start, end=asked.end, seen_before=began)
    _let_go(shared, name, outcome, is_log=_is_log(planned), since=planned.asked.start)


def settle_left(shared: Streaming, planned: Collection[str]) -> Outcome:
    """Settle what earlier runs held of streams that are not read any more, or not this time."""
    outcome = Outcome(StreamReport(shared.source.name, "", shared.ask.start, shared.ask.end))
    with shared.context.ledger.read() as tx:
        held = events.held_streams(tx, shared.source.name)
    for name in sorted(set(held) - set(planned)):
        _let_go(shared, name, outcome, is_log=False, since=shared.ask.start)
    return outcome


def _let_go(shared: Streaming, name: str, outcome: Outcome, *, is_log: bool, since: datetime) -> None:
    """Let the valve decide about what a stream holds."""
    assert shared.lease is not None  # noqa: S101 - narrows for mypy; a dry run holds nothing
    source, force = shared.source, shared.options.force
    if shared.options.baseline:
        _pass_held(shared, name)
        return
    verdict = valve.settle(shared.context.ledger, shared.lease, name, is_log=is_log, limit=source.valve, force=force)
    if verdict.reason:
        outcome.codes.append(3)
        outcome.notes.append(
            f"{source.name} {name}: the valve is closed: {verdict.reason}. Nothing of it was handled. If your "
            f"service has handled these already: `reconcile baseline --since {iso(since)} --source {source.name}`. "
            f"If they were really missed: `reconcile run --force --source {source.name}`."
        )


def _pass_held(shared: Streaming, name: str) -> None:
    """A baseline takes what earlier runs held as handled, and trusts the stream from now on."""
    assert shared.lease is not None  # noqa: S101 - narrows for mypy; a dry run has returned
    with shared.context.ledger.write() as tx:
        leases.check(tx, shared.lease)
        events.release(tx, shared.source.name, name, to=EventState.HANDLED)
        streams.save(tx, shared.source.name, name, valve_closed=False, trusted=True)


def _foretell(shared: Streaming, outcome: Outcome) -> None:
    """What the valve would say of what a dry run found."""
    report = outcome.report
    if shared.source.handler is None or shared.options.force or shared.options.baseline or not report.events:
        return
    found = valve.Found(report.events, report.backfilled, report.listed)
    ledger, source = shared.context.ledger, shared.source
    reason = valve.foretell(ledger, source.name, report.stream, found, limit=source.valve)
    if reason:
        outcome.notes.append(f"{source.name} {report.stream}: the valve would close: {reason}")


def _count_dry(report: StreamReport, recorder: DryRecorder) -> None:
    counts = recorder.counts
    for name in ("listed", "gap", "backfilled", "pending", "superseded", "already_handled", "filtered", "events"):
        setattr(report, name, getattr(counts, name))
    report.unlisted_gaps += counts.unlisted_gaps
