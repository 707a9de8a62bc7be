"""When a stream was read: what is covered now, how dense it was, and what the valve makes of what is held."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import islice

from reconcile import when
from reconcile.connector import FilterBy
from reconcile.errors import ProviderError
from reconcile.ledger import closing, coverage, events, leases, streams, subjects
from reconcile.ledger.coverage import Covered
from reconcile.model import EventState, instant, micros
from reconcile.reading import valve
from reconcile.reading.dry import DryRecorder
from reconcile.reading.plan import StreamPlan
from reconcile.reading.recorder import Recorder
from reconcile.reading.shared import Outcome, Streaming
from reconcile.reading.tiling import Tiler
from reconcile.report import StreamReport
from reconcile.windows import final_part, holes

#: How far ahead of its own clock a provider's stamps may be without a word about it.
AHEAD = timedelta(minutes=5)
_NAMED = 1000  # records from the future are counted up to here
_NO_END = 2**62


def settle(shared: Streaming, planned: StreamPlan, tiler: Tiler, recorder: Recorder, outcome: Outcome) -> None:
    """Say what is covered now, remember the density, and let the valve decide."""
    report = outcome.report
    covered = _covered(shared, planned, recorder)
    unproven = any(not beyond.proven for beyond in planned.beyond)
    lacking = [*recorder.incomplete, *holes(planned.asked, [one.window for one in covered])]
    if lacking and report.error is None:
        of = f"{when.stamp(lacking[0].start)} to {when.stamp(lacking[0].end)}"
        report.error = f"the listing of {of} lacks records that are not known to be gone; run again later"
        outcome.codes.append(ProviderError.exit_code)
    report.covered = report.error is None and not unproven
    finals = [final_part(one.window, one.read_at, shared.ask.overlap) for one in covered]
    provisional = holes(planned.asked, [window for window in finals if window is not None])
    report.provisional_from = provisional[0].start if provisional else None
    _say_future(shared, planned, outcome)
    if isinstance(recorder, DryRecorder):
        _count_dry(report, recorder)
        _foretell(shared, outcome, recorder.counts.beside)
        return
    _write_down(shared, planned, tiler, outcome)
    _let_go(shared, str(planned.ref), outcome, is_log=planned.is_log, since=planned.asked.start)


def _covered(shared: Streaming, planned: StreamPlan, recorder: Recorder) -> list[Covered]:
    found = list(recorder.covered) if isinstance(recorder, DryRecorder) else []
    with shared.context.ledger.read() as tx:
        found += coverage.load(tx, shared.source.name, str(planned.ref), planned.fingerprint)
    usable = [one for one in found if planned.met_by(one)]
    return usable + [Covered(window, shared.ask.now + shared.ask.overlap, {}) for window in planned.elsewhere]


def _say_future(shared: Streaming, planned: StreamPlan, outcome: Outcome) -> None:
    """What we know of a time that has not come at the provider moves no window on: it is listed when it has."""
    if planned.facts.filter_by is not FilterBy.UPDATED:
        return
    source, resource = shared.source.name, planned.facts.resource
    with shared.context.ledger.read() as tx:
        ahead = subjects.in_window(tx, source, resource, micros(shared.now() + AHEAD), _NO_END)
        found = list(islice(ahead, _NAMED))
    if found:
        id_, version = found[0]
        number = len(found) if len(found) < _NAMED else f"{_NAMED} or more"
        outcome.notes.append(
            f"{source} {planned.ref}: future_timestamp: {number} known records carry a time that has not come at the "
            f"provider ({resource}/{id_}: {when.stamp(instant(version))}); they are looked for once it has"
        )


def _write_down(shared: Streaming, planned: StreamPlan, tiler: Tiler, outcome: Outcome) -> None:
    assert shared.lease is not None  # noqa: S101 - narrows for mypy; a dry run has returned
    name = str(planned.ref)
    with shared.context.ledger.write() as tx:
        leases.check(tx, shared.lease)
        error = outcome.report.error or ""
        question = planned.fingerprint
        streams.save(tx, shared.source.name, name, density=tiler.density, error=error, fingerprint=question)
        closing.close_arrived(tx, shared.source.name)
        if outcome.report.covered:
            asked = planned.asked
            began = shared.began
            closing.close_listed(tx, shared.source.name, name, start=asked.start, end=asked.end, seen_before=began)


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
        if outcome.report.error is None:  # nobody can trust a stream whose rest is still to be taken as handled
            _pass_held(shared, name)
        return
    ledger, limit = shared.context.ledger, source.valve
    verdict = valve.settle(ledger, shared.lease, name, is_log=is_log, limit=limit, force=force)
    if verdict.reason:
        outcome.codes.append(3)
        outcome.notes.append(
            f"{source.name} {name}: the valve is closed: {verdict.reason}. Nothing of it was handled. "
            f"{_if_handled(source.name, since)} "
            f"If they were really missed: `reconcile run --force --source {source.name}`."
        )


def _if_handled(source: str, since: datetime) -> str:
    """The way on from a closed valve for who knows better. It begins at the whole second: nothing is left out."""
    begin = f"reconcile baseline --since {when.stamp(since)} --source {source}"
    return f"If your service has handled these already: `{begin}`."


def _pass_held(shared: Streaming, name: str) -> None:
    """A baseline takes what earlier runs held as handled, and trusts the stream from now on."""
    assert shared.lease is not None  # noqa: S101 - narrows for mypy; a dry run has returned
    with shared.context.ledger.write() as tx:
        leases.check(tx, shared.lease)
        events.release(tx, shared.source.name, name, to=EventState.HANDLED)
        streams.save(tx, shared.source.name, name, valve_closed=False, trusted=True)


def _foretell(shared: Streaming, outcome: Outcome, beside: int) -> None:
    """What the valve would say of what a dry run found."""
    report = outcome.report
    if shared.source.handler is None or shared.options.force or shared.options.baseline or not report.events:
        return
    found = valve.Found(report.events, report.backfilled, report.listed - beside)
    ledger, source = shared.context.ledger, shared.source
    reason = valve.foretell(ledger, source.name, report.stream, found, limit=source.valve)
    if reason:
        outcome.notes.append(
            f"{source.name} {report.stream}: the valve would close: {reason}. Nothing of it would be handled. "
            f"{_if_handled(source.name, report.start)} If they were really missed, add --force to the run."
        )


def _count_dry(report: StreamReport, recorder: DryRecorder) -> None:
    counts = recorder.counts
    for name in ("listed", "gap", "backfilled", "pending", "superseded", "already_handled", "filtered", "events"):
        setattr(report, name, getattr(counts, name))
    report.unlisted_gaps += counts.unlisted_gaps
