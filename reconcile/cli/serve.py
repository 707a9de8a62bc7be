"""`serve`: the receiver of live deliveries."""

from __future__ import annotations

from typing import Annotated

import typer

from reconcile.cli import wiring
from reconcile.cli.state import State
from reconcile.web import server


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    context: typer.Context,
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on; put TLS in front of any other.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="The port to listen on; 0 for any free one.")
    ] = 8000,
) -> None:
    """Receive webhooks and deliver them.

    Each is stored before it is answered, and handed to its handler at once.
    """
    state = State.of(context)
    with wiring.working(state, wiring.load_config(state)) as work:
        raise typer.Exit(server.serve(work, host, port, lambda url: state.output.say(f"receiving at {url}SOURCE")))
