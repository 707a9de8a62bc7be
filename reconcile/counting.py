"""What a run's report counts when the run ends: every listed item in one class, and whatever is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from reconcile.config import SourceConfig
from reconcile.ledger import Tx, events, findings, gaps, streams, targets, transactions, waiting
from reconcile.ledger.findings import Classes
from reconcile.model import EventState, GapKind
from reconcile.report import GAPS_LISTED, GapReport, HandlerReport, RunReport
from reconcile.transactions.transaction import LEFT, OPEN, State

#: A due event that nobody has claimed for this long is not merely on its way.
UNCLAIMED = timedelta(minutes=1)

#: On their way to a handler.
UNDONE = (EventState.HELD, EventState.WAITING, EventState.CLAIMED)


def count_streams(tx: Tx, report: RunReport) -> None:
    """Put each listed item into exactly one class, judged by how things stand now that the run ends (C2)."""
    plain = {(one.source, one.stream): one for one in streams.counts(tx, report.run)}
    odd = findings.classes(tx, report.run)
    for stream in report.streams:
        key = (stream.source, stream.stream)
        if key not in plain:
            continue
        counts, classes = plain[key], odd.get(key, Classes())
        stream.listed = counts.listed
        stream.filtered = counts.filtered
        stream.gap = classes.gap
        stream.backfilled = classes.backfilled
        stream.pending = classes.pending
        stream.superseded = counts.superseded + classes.superseded
        stream.already_handled = counts.already_handled + classes.already_handled
        stream.events = counts.events
        stream.unlisted_gaps += counts.unlisted_gaps


def open_unhandled(tx: Tx, sources: Sequence[SourceConfig], began: datetime) -> None:
    """Open a gap for each event that waits though nothing explains it: no retry, claim, hold or pause (H7)."""
    since = min(began, tx.now - UNCLAIMED)
    for source in sources:
        if source.handler is None or targets.get(tx, source.name).paused:
            continue
        for row in waiting.unhandled(tx, source.name):
            if row.next_at <= since:
                reason = "recorded, due, and delivered by nobody; does a dispatcher run?"
                gaps.open_(
                    tx,
                    source.name,
                    GapKind.UNHANDLED,
                    row.id,
                    reason=reason,
                    topic=row.topic,
                    seq=row.seq,
                )


def count_left(tx: Tx, sources: Sequence[SourceConfig], report: RunReport) -> bool:
    """Put the gaps and what waits for a handler into the report; whether anything is left at all."""
    known = {handler.source: handler for handler in report.handlers}
    for source in sources:
        states = events.open_counts(tx, source.name)
        # Recorded is not handled: what waits goes on waiting when the handler is taken away (H7).
        if source.handler is None and not any(states.get(state) for state in UNDONE):
            continue
        handler = known.get(source.name)
        if handler is None:
            handler = HandlerReport(source.name)
            report.handlers.append(handler)
        handler.pending = states.get(EventState.WAITING, 0) + states.get(EventState.CLAIMED, 0)
        handler.held = states.get(EventState.HELD, 0)
        handler.paused = bool(targets.get(tx, source.name).paused)
    _count_gaps(tx, [source.name for source in sources], report)
    waiting = any(one.pending or one.held or one.paused for one in report.handlers)
    found = report.dry_run and any(one.gap or one.backfilled or one.unlisted_gaps for one in report.streams)
    unresolved = _count_transactions(tx, [source.name for source in sources], report)
    return bool(report.gaps_total) or waiting or found or unresolved


def _count_transactions(tx: Tx, names: Sequence[str], report: RunReport) -> bool:
    """How many are still on their ladder, and how many wait for a person; whether any does."""
    states = transactions.counts(tx, names, OPEN)
    report.transactions["pending"] = states.get(State.PENDING, 0)
    report.transactions["unresolved"] = sum(states.get(state, 0) for state in LEFT)
    return report.transactions["unresolved"] > 0


def _count_gaps(tx: Tx, names: Sequence[str], report: RunReport) -> None:
    report.gaps_total = sum(number for (name, _), number in gaps.count(tx).items() if name in names)
    report.gaps = [
        GapReport(gap.source, gap.kind, str(gap.subject or gap.key), gap.topic, gap.reason, gap.opened_at)
        for name in names
        for gap in gaps.find(tx, source=name, limit=GAPS_LISTED)
    ][:GAPS_LISTED]
