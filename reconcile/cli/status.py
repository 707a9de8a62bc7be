"""`status`: how things stand, from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import typer

from reconcile import when
from reconcile.cli import wiring
from reconcile.cli.options import AsJson
from reconcile.cli.output import Table
from reconcile.cli.state import State
from reconcile.operator import status as statusboard
from reconcile.operator.status import CELLS, FINAL, HOLE, PROVISIONAL, Board, RunStatus, SourceStatus, StreamStatus


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show what is proven and what is open.

    From the ledger alone: no provider is asked.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger:
        board = statusboard.read(config, ledger, state.clock)
    if as_json:
        state.output.json(asdict(board))
        return
    for source in board.sources:
        state.output.line("\n".join(_source(source, board)))
    state.output.table(_runs(board))
    for run in board.crashed:
        state.output.line(f"run {run.run} crashed; the next run takes up what it left")
    state.output.line(f"{FINAL} proven  {PROVISIONAL} read, to be read once more  {HOLE} not read yet")


def _source(source: SourceStatus, board: Board) -> Iterator[str]:
    yield source.source
    if not source.streams:
        yield "  nothing read yet; `reconcile run` begins"
    for stream in source.streams:
        yield f"  {stream.stream:<24} {stream.bar:{CELLS}}"
        yield f"  {'':<24} {'; '.join(_stream(stream))}"
    yield f"  events: {source.waiting} waiting, {source.held} held, {source.dead} dead"
    yield "  gaps: " + (", ".join(f"{number} {kind}" for kind, number in sorted(source.gaps.items())) or "none")
    if source.paused:
        since = when.span(board.at - source.paused_since) if source.paused_since else "some time"
        ends = f"`reconcile resume {source.source}` ends it" if source.paused == "hand" else "it is tried once a minute"
        yield f"  PAUSED ({source.paused}) for {since}: {source.paused_why}; {ends}"


def _stream(stream: StreamStatus) -> Iterator[str]:
    if stream.horizon is None:
        yield "never read; the first `reconcile run` sets its horizon"
    else:
        yield f"from {when.stamp(stream.horizon)}"
    if (behind := statusboard.lag(stream)) is not None:
        yield f"frontier {when.stamp(stream.frontier)}" + (
            f", {when.span(behind)} behind" if behind else ", up to date"
        )
    if stream.holes:
        yield f"{len(stream.holes)} stretch{'es' if len(stream.holes) > 1 else ''} to read"
    if stream.valve_closed:
        yield f"VALVE CLOSED: `reconcile baseline` or `reconcile run --force --source {stream.source}`"
    if stream.error:
        yield f"last error: {stream.error}"


def _runs(board: Board) -> Table:
    table = Table(("run", "command", "started", "took", "result"))
    for run in board.runs:
        table.add(run.run, run.command, when.stamp(run.started_at), _took(run), _result(run))
    return table


def _took(run: RunStatus) -> str:
    return when.span(run.finished_at - run.started_at) if run.finished_at else "-"


def _result(run: RunStatus) -> str:
    return f"exit {run.exit_code}" if run.state == "finished" else run.state
