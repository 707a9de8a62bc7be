"""`status`: how things stand, from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from reconcile import when
from reconcile.cli import wiring
from reconcile.cli.options import AsJson
from reconcile.cli.output import Table
from reconcile.cli.state import State
from reconcile.operator import status as statusboard
from reconcile.operator.bar import CELLS, FINAL, HOLE, PROVISIONAL
from reconcile.operator.board import Board, RunStatus, SourceStatus, StreamStatus
from reconcile.safe import safe
from reconcile.web.facts import exposition

_INDENT = "  "
#: Room for a stream's name, in front of its bar, and the least that a narrow terminal leaves for it.
_NAME = 24
_LEAST = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


Metrics = Annotated[
    bool,
    typer.Option("--metrics", help="In Prometheus's text format, for a textfile collector or a Pushgateway."),
]


def status(context: typer.Context, *, as_json: AsJson = False, metrics: Metrics = False) -> None:
    """Show what is proven and what is open.

    From the ledger alone: no provider is asked.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    if metrics and as_json:
        raise typer.BadParameter("cannot be combined with --json", param_hint="--metrics")
    with wiring.open_ledger(state, config) as ledger:
        if metrics:
            state.output.line(exposition(config, ledger), verbatim=True)
            return
        board = statusboard.read(config, ledger, state.clock)
    if as_json:
        state.output.json(asdict(board))
        return
    room = room_for_names(state.output.width())
    for source in board.sources:
        state.output.line("\n".join(_source(source, board, room)))
    if board.incidents or board.unsent:
        unsent = f", {when.times(board.unsent, 'mail')} not arrived" if board.unsent else ""
        state.output.line(f"{when.times(board.incidents, 'open incident')}{unsent}; see `reconcile alerts list`")
    state.output.table(_runs(board))
    for run in board.crashed:
        state.output.line(f"run {run.run} crashed; the next run takes up what it left")
    state.output.line(f"{FINAL} proven  {PROVISIONAL} read, to be read once more  {HOLE} not read yet")


def room_for_names(width: int | None) -> int:
    """For a stream's name, so that a bar fits beside it: what a narrow terminal breaks in two shows nothing."""
    spare = _NAME if width is None else width - CELLS - len(_INDENT) - 1
    return max(_LEAST, min(_NAME, spare))


def _source(source: SourceStatus, board: Board, room: int) -> Iterator[str]:
    yield source.source
    if not source.streams:
        yield "  nothing read yet" + ("" if source.refused else "; `reconcile run` begins")
    for stream in source.streams:
        yield from stream_lines(stream, room)
    yield f"  events: {source.waiting} waiting, {source.held} held, {source.dead} dead"
    yield f"  gaps: {_counted(source.gaps) or 'none'}"
    if source.refused and not any(stream.error for stream in source.streams):
        yield f"  CREDENTIALS REFUSED: {safe(source.refused, 2000)}"
    if source.transactions:
        yield f"  transactions: {_counted(source.transactions)}"
    if source.paused:
        since = when.span(board.at - source.paused_since) if source.paused_since else "some time"
        ends = f"`reconcile resume {source.source}` ends it" if source.paused == "hand" else "it is tried once a minute"
        yield f"  PAUSED ({source.paused}) for {since}: {source.paused_why}; {ends}"


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(numbers.items()))


def stream_lines(stream: StreamStatus, room: int) -> Iterator[str]:
    """A stream with its bar, and what there is to say of it."""
    beside = " " * (len(_INDENT) + max(room, len(stream.stream)) + 1)
    yield f"{_INDENT}{stream.stream:<{room}} {stream.bar}".rstrip()
    if stream.horizon is None:
        yield f"{beside}never read; the first `reconcile run` sets its horizon"
    else:
        yield f"{beside}from {when.stamp(stream.start)}"
    if (behind := stream.lag) is not None:
        late = f"{when.span(behind)} behind" if behind else "up to date"
        yield f"{beside}to   {when.stamp(stream.frontier)}, {late}{_holes(stream)}"
    if stream.error:
        yield f"{_INDENT}  last error: {stream.error}"
    if stream.valve_closed:
        yield from _valve(stream)


def _holes(stream: StreamStatus) -> str:
    """Only what the lag does not say already: that the newest time is not read yet."""
    number = len(stream.holes)
    if not number or [hole.end for hole in stream.holes] == [stream.due]:
        return ""
    return f"; {number} stretch{'es' if number > 1 else ''} to read"


def _valve(stream: StreamStatus) -> Iterator[str]:
    """The two ways on, each command in a line of its own: it is there to be copied."""
    since = when.stamp(stream.horizon) if stream.horizon else "…"
    yield f"{_INDENT}VALVE CLOSED: what {stream.stream} found is held, because it looks like too much"
    yield f"{_INDENT}  handled by your service already:"
    yield f"{_INDENT}    reconcile baseline --since {since} --source {stream.source}"
    yield f"{_INDENT}  really missed:"
    yield f"{_INDENT}    reconcile run --force --source {stream.source}"


def _runs(board: Board) -> Table:
    table = Table(("run", "command", "started", "took", "result"))
    for run in board.runs:
        table.add(run.run, run.command, when.stamp(run.started_at), _took(run), _result(run))
    return table


def _took(run: RunStatus) -> str:
    return when.span(run.finished_at - run.started_at) if run.finished_at else "-"


def _result(run: RunStatus) -> str:
    return f"exit {run.exit_code}" if run.state == "finished" else run.state
