"""`pause` and `resume`: whether events are delivered to a source's handler."""

from __future__ import annotations

from typing import Annotated

import typer

from reconcile.cli import wiring
from reconcile.cli.options import known_sources
from reconcile.cli.state import State
from reconcile.ledger import targets

Source = Annotated[
    str, typer.Argument(help="The source, as `sources:` names it.", metavar="SOURCE", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(pause)
    app.command()(resume)


def pause(
    context: typer.Context,
    *,
    source: Source,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever looks next.")] = "by hand",
) -> None:
    """Stop delivering a source's events.

    They are still received and found; they wait until `resume`.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    (name,) = known_sources(config, [source])
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        done = targets.pause(tx, name, targets.HAND, reason)
    state.output.line(f"{name} is paused; `reconcile resume {name}` ends it" if done else f"{name} was paused already")


def resume(context: typer.Context, *, source: Source) -> None:
    """Deliver a source's events again.

    However it came to be paused: by hand, or because its target kept failing.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    (name,) = known_sources(config, [source])
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        done = targets.resume(tx, name)
    state.output.line(f"{name} is delivered to again" if done else f"{name} was not paused")
