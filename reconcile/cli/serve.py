"""`serve`: the receiver of live deliveries."""

from __future__ import annotations

import logging
from typing import Annotated, NamedTuple

import typer

from reconcile.cli import wiring
from reconcile.cli.progress import watching
from reconcile.cli.signals import in_time
from reconcile.cli.state import State
from reconcile.config import Config
from reconcile.connector.finding import connector_class
from reconcile.connector.hooks import hands_out_secrets, is_unsigned
from reconcile.web import server


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


Host = Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on; put TLS in front of any other.")]
Port = Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="The port to listen on; 0 for any free one.")]


class Place(NamedTuple):
    """Where to listen. A class of its own: of a plain tuple typer makes an option that takes two words."""

    host: str
    port: int


def place(text: str) -> Place:
    """`127.0.0.1:9090` or `[::1]:9090`."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise typer.BadParameter("must be HOST:PORT, such as 127.0.0.1:9090")
    return Place(host.removeprefix("[").removesuffix("]"), int(port))


Metrics = Annotated[
    Place | None,
    typer.Option(
        metavar="HOST:PORT",
        parser=place,
        help="Where to show /metrics, /readyz and /healthz to whoever reaches it; else to this machine only.",
        show_default=False,
    ),
]


def serve(context: typer.Context, *, host: Host = "127.0.0.1", port: Port = 8000, metrics: Metrics = None) -> None:
    """Receive webhooks and deliver them.

    Each is stored before it is answered, and handed to its handler at once.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    warn_of_secrets(state, config)
    with (
        in_time(state.stop),
        wiring.working(state, config) as work,
        watching(state.output, state.clock, state.log_format) as work.progress,
    ):
        code = server.serve(work, (host, port), metrics, lambda url: state.output.say(f"receiving at {url}SOURCE"))
        raise typer.Exit(code)


def warn_of_secrets(state: State, config: Config) -> None:
    """Say of which sources every delivery will be refused, but for what a subscription of our making signs."""
    for source in config.sources.values():
        connector = connector_class(source.connector)(source.settings)
        if is_unsigned(connector) or (source.webhook is not None and source.webhook.secrets):
            continue
        ours = hands_out_secrets(connector) and source.webhook is not None and source.webhook.url is not None
        which = "every delivery to it is refused, but for those of a subscription that `reconcile` made"
        what = which if ours else "every delivery to it is refused"
        state.output.say(f"warning: {source.name}: webhook.secret is not set, so {what}", level=logging.WARNING)
