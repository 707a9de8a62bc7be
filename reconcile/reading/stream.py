"""One stream of one source in one run: from its plan to its report, the valve included."""

from __future__ import annotations

from collections.abc import Sequence

from reconcile.book import Book
from reconcile.config import SourceConfig
from reconcile.connector import Facts, ListsItems
from reconcile.errors import CredentialsRefused, ProviderError, ReconcileError, Stopped
from reconcile.ledger import checkpoints, gaps, leases, streams
from reconcile.ledger.coverage import Covered
from reconcile.model import Candidate, EventState, GapKind, Snapshot, Window
from reconcile.reading import recorded
from reconcile.reading.dry import DryRecorder
from reconcile.reading.judge import Scope
from reconcile.reading.plan import StreamPlan
from reconcile.reading.reader import Reader, read, resumable
from reconcile.reading.record import LedgerRecorder, StreamKey
from reconcile.reading.recorder import OpenWindow, Recorder
from reconcile.reading.settling import settle
from reconcile.reading.shared import Outcome, Streaming
from reconcile.reading.tiling import Tiler
from reconcile.records import StreamRecords
from reconcile.report import StreamReport
from reconcile.transactions.telling import shown, told
from reconcile.windows import holes


def failed(facts: Facts, source: SourceConfig, asked: Window, error: str) -> list[StreamReport]:
    """Reports for a source that could not even be asked: nothing of what was `asked` for is covered."""
    names = source.streams or tuple(stream.name for stream in facts.streams[:1])
    return [StreamReport(source.name, name, asked.start, asked.end, error=error) for name in names]


def work(shared: Streaming, planned: StreamPlan) -> Outcome:
    """Read what the plan needs, note what nobody can tell, settle the valve, and report. Raises nothing of ours."""
    name = str(planned.ref)
    report = StreamReport(shared.source.name, name, planned.asked.start, planned.asked.end)
    outcome = Outcome(report)
    key = (shared.source.name, name)
    records = _records(shared, planned)
    seconds = sum(window.seconds for window in planned.need)
    shared.context.progress.begin(key, seconds)
    records.begin(seconds)
    try:
        _work(shared, planned, outcome, records)
    except ReconcileError as error:
        outcome.codes.append(error.exit_code)
        report.error = report.error or str(error)
        outcome.error_class = outcome.error_class or type(error).__name__
        report.covered = False
    except Exception as error:  # noqa: BLE001 - told once the other streams are through: they are none the worse for it
        outcome.bug = error
        report.error = f"a bug, please report it: {type(error).__name__}"
        outcome.error_class = type(error).__name__
        report.covered = False
    shared.context.progress.end(key, report.error)
    records.end(report.error, outcome.error_class)
    return outcome


def _records(shared: Streaming, planned: StreamPlan) -> StreamRecords:
    who = {
        "run_id": shared.context.run_id,
        "provider": shared.source.connector,
        "source": shared.source.name,
        "account": planned.ref.account or shared.ask.account,
        "stream": str(planned.ref),
    }
    return StreamRecords(shared.context.clock, who)


def unread(shared: Streaming, planned: StreamPlan) -> Outcome:
    """A list whose log could not be read: alone it would take in what only the log can tell apart."""
    asked = planned.asked
    error = f"{planned.ref} is read once the event log has been, which could not be read; run again later"
    report = StreamReport(shared.source.name, str(planned.ref), asked.start, asked.end, error=error)
    return Outcome(report, codes=[ProviderError.exit_code])


def _work(shared: Streaming, planned: StreamPlan, outcome: Outcome, records: StreamRecords) -> None:
    """Read, and settle what was read even if reading failed. Raises only what the ledger does about the rest."""
    recorder, tiler = _recorder(shared, planned), _tiler(shared, planned)
    report = outcome.report
    try:
        _say_beyond(shared, planned, outcome)
        read(_reader(shared, planned, recorder, records), tiler, _resumed(shared, planned, tiler))
    except Stopped:
        outcome.codes.append(shared.context.stop.exit_code)
        report.error = "stopped by a signal; run again to go on"
        outcome.error_class = Stopped.__name__
    except ReconcileError as error:
        outcome.codes.append(error.exit_code)
        outcome.refused = error if isinstance(error, CredentialsRefused) else None
        report.error = str(error)
        outcome.error_class = type(error).__name__
    settle(shared, planned, tiler, recorder, outcome)


def _recorder(shared: Streaming, planned: StreamPlan) -> Recorder:
    if shared.lease is None:
        return DryRecorder(floors=planned.judged, detect_only=shared.source.handler is None)
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
        floors=planned.judged,
        overlap=shared.ask.overlap,
        resumable=resumable(planned.facts),
        detect_only=planned.detect_only,
        tell=lambda arrival: told(shared.source, shared.connector, arrival.description.topic, arrival.body),
        kept_from=shared.ask.kept_from,
    )


def _reader(shared: Streaming, planned: StreamPlan, recorder: Recorder, records: StreamRecords) -> Reader:
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
        shows=shown(shared.source, shared.connector),
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
        records=records,
        threads=min(shared.context.threads, planned.facts.parallel),
        sees_all=planned.ref.name not in (shared.ask.limits or {}),
    )


def _proves_nothing(_snapshot: Snapshot, _topics: frozenset[str]) -> Sequence[Candidate]:
    return ()


def _tiler(shared: Streaming, planned: StreamPlan) -> Tiler:
    with shared.context.ledger.read() as tx:
        known = streams.get(tx, shared.source.name, str(planned.ref))
    return Tiler(planned.need, page_size=planned.facts.page_size, step=planned.facts.resolution, density=known.density)


def _resumed(shared: Streaming, planned: StreamPlan, tiler: Tiler) -> list[OpenWindow]:
    """The windows an earlier run left open, where its cursors still lead on; the tiler need not hand them out."""
    if shared.lease is None or shared.ask.recheck or not resumable(planned.facts):
        return []
    with shared.context.ledger.read() as tx:
        left = checkpoints.open_windows(tx, shared.source.name, str(planned.ref), planned.fingerprint)
    usable = [
        one
        for one in left
        if planned.met_by(Covered(one.window, one.read_at, one.floors))
        and not holes(one.window, planned.need)
        and one.read_at - one.window.end >= shared.ask.settle
    ]
    tiler.skip(one.window for one in usable)
    return [OpenWindow(one.window, one.read_at, one.cursor, one.pages, one.items) for one in usable]


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
