"""`demo`: the whole road, against a provider of our own that loses deliveries."""

from __future__ import annotations

import typer

from reconcile.cli.state import State
from reconcile.sandbox import demo as sandbox


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(context: typer.Context) -> None:
    """Show it at work, with no account needed.

    A fake provider on this machine loses webhooks; they are found and handled before your eyes.
    """
    raise typer.Exit(sandbox.main(State.of(context).output.put))
