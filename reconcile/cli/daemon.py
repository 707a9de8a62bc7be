"""`daemon`: schedules, deliveries and, if asked for, the receiver in one process that stays."""

from __future__ import annotations

import typer

from reconcile.cli import signals, wiring
from reconcile.cli.state import State
from reconcile.daemon import Daemon
from reconcile.errors import ConfigError
from reconcile.progress import Silent


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(daemon)


def daemon(context: typer.Context) -> None:
    """Run the schedules and deliver, until stopped.

    SIGTERM lets what is at work end where it is safe and exits 143 within ten seconds; SIGHUP reads the
    configuration anew, and goes on with the old one if the new one has errors.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    if not config.schedules:
        raise ConfigError(f"{config.path}: there are no schedules; add some under `schedules:`")
    with wiring.working(state, config) as work:
        work.progress = Silent()
        standing = Daemon(work, lambda: wiring.load_config(state))
        with signals.hanging_up(standing.read_again):
            state.output.say(f"watching {len(config.sources)} sources by {len(config.schedules)} schedules")
            if not standing.run():
                signals.leave(work.stop.exit_code)
    raise typer.Exit(work.stop.exit_code)
