"""A run's report as people read it; `--json` prints it as it is."""

from __future__ import annotations

from collections.abc import Iterator

from reconcile import when
from reconcile.cli.output import Output, Table
from reconcile.cli.state import State
from reconcile.report import RunReport

#: Gaps shown in the report itself; `reconcile gaps list` has all.
GAPS_SHOWN = 20

#: What each exit code means, in the words of the reference.
MEANING = {
    0: "everything asked for is covered, nothing is unresolved",
    1: "a bug of ours",
    2: "usage or configuration",
    3: "finished, and something is left; see `reconcile status`",
    4: "coverage was not reached; run again once the provider answers",
    5: "the ledger was unavailable; nothing was lost, run again",
    75: "busy: another runner holds the source; run again later",
    130: "interrupted; run again to go on",
    143: "interrupted; run again to go on",
}
#: The exit code of a run that left something to do.
_LEFT = 3
#: The exit code of one that a provider kept from something; and what that was if every stream was read.
_REFUSED, _NOT_READING = 4, "a provider refused or did not answer; the errors say what that kept from being done"
_DRY_NOTHING = "nothing is missing, nothing is unresolved"
_DRY_SOMETHING = "run the same without --dry-run to do it"
_COUNTS = ("listed", "gap", "backfilled", "pending", "superseded", "handled", "filtered")


def show(state: State, report: RunReport, *, as_json: bool) -> None:
    """Print the report on stdout, its errors on stderr; a bug with its traceback."""
    if report.bug is not None:
        state.apologise(report.bug)
    for error in report.errors:
        state.output.complain(f"error: {error}")
    if as_json:
        state.output.json(report.as_json())
        return
    for table in (_streams(report), _counts(report), _handlers(report), _subscriptions(report), _gaps(report)):
        state.output.table(table)
    _sentences(state.output, report)


def _streams(report: RunReport) -> Table:
    table = Table(("stream", "from", "to", "covered", "events"))
    for one in report.streams:
        covered = "yes" if one.covered else "NO"
        table.add(f"{one.source} {one.stream}", when.stamp(one.start), when.stamp(one.end), covered, one.events)
    return table


def _counts(report: RunReport) -> Table:
    """The six classes that add up to what was listed (C2)."""
    table = Table(("stream", *_COUNTS))
    for one in report.streams:
        counts = (one.listed, one.gap, one.backfilled, one.pending, one.superseded, one.already_handled, one.filtered)
        table.add(f"{one.source} {one.stream}", *counts)
    return table


def _handlers(report: RunReport) -> Table:
    """What the handlers did and what they are left with; nothing, where none of them had anything to do."""
    table = Table(("handler of", "handled", "pending", "failed", "dead", "held", "paused"))
    counts = {one.source: (one.handled, one.pending, one.failed, one.dead, one.held) for one in report.handlers}
    if any(one.paused or any(counts[one.source]) for one in report.handlers):
        for one in report.handlers:
            table.add(one.source, *counts[one.source], "yes" if one.paused else "no")
    return table


def _subscriptions(report: RunReport) -> Table:
    names = tuple(dict.fromkeys(name for row in report.subscriptions for name in row))
    table = Table(names)
    for row in report.subscriptions:
        table.add(*(row.get(name) for name in names))
    return table


def _gaps(report: RunReport) -> Table:
    table = Table(("gap of", "kind", "subject", "topic", "since", "reason"))
    for gap in report.gaps[:GAPS_SHOWN]:
        table.add(gap.source, gap.kind, gap.subject, gap.topic, when.stamp(gap.since), gap.reason)
    return table


def _sentences(output: Output, report: RunReport) -> None:
    for sentence in _said(report):
        output.line(sentence)


def _said(report: RunReport) -> Iterator[str]:
    more = report.gaps_total - min(len(report.gaps), GAPS_SHOWN)
    if more > 0:
        yield f"and {more} more: `reconcile gaps list`"
    for one in report.streams:
        if one.error:
            yield f"{one.source} {one.stream}: {one.error.removeprefix(f'{one.source}: ')}"
    yield from report.notes
    if any(report.transactions.values()):
        yield "transactions: " + ", ".join(f"{number} {name}" for name, number in report.transactions.items())
    if any(report.alerts.values()):
        yield "alerts: " + ", ".join(f"{number} {name}" for name, number in report.alerts.items())
    yield f"{_meaning(report)} (exit {report.exit_code})"


def _meaning(report: RunReport) -> str:
    meaning = MEANING.get(report.exit_code, "")
    if report.exit_code == _REFUSED and all(one.covered for one in report.streams):
        meaning = _NOT_READING
    if not report.dry_run:
        return meaning
    if report.exit_code == 0:
        meaning = _DRY_NOTHING
    elif report.exit_code == _LEFT and any(one.events or one.gap or one.unlisted_gaps for one in report.streams):
        # What it found is written nowhere: `status` has nothing to show of it.
        meaning = _DRY_SOMETHING
    return f"dry run, nothing was changed: {meaning}"
