"""`daemon`: schedules, deliveries and, if asked for, the receiver in one process that stays."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from reconcile import when
from reconcile.cli import signals, wiring
from reconcile.cli.serve import Host, Metrics, Port, warn_of_secrets
from reconcile.cli.state import State
from reconcile.config import Config
from reconcile.daemon import Daemon
from reconcile.errors import ConfigError
from reconcile.web import server


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(daemon)


def daemon(
    context: typer.Context,
    *,
    serve: Annotated[bool, typer.Option("--serve", help="Receive webhooks too, as `reconcile serve` does.")] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    metrics: Metrics = None,
) -> None:
    """Run the schedules and deliver, until stopped.

    SIGTERM lets what is at work end where it is safe and exits 143 within ten seconds; SIGHUP reads the
    configuration anew, and goes on with the old one if the new one has errors.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    if not config.schedules:
        raise ConfigError(f"{config.path}: there are no schedules; add some under `schedules:`")
    wiring.check_handlers(state, config)
    if not serve:
        _check_unserved(context, metrics)
    if serve:
        warn_of_secrets(state, config)
    with signals.in_time(state.stop), wiring.working(state, config) as work, ExitStack() as stack:
        counted = server.counts(lambda: standing.config)
        work.metrics = counted
        standing = Daemon(work, lambda: _read(state))
        if serve:
            front = stack.enter_context(server.front_of(standing, work, counted, (host, port), metrics))
            standing.at_end = front.end  # at once: a slow sender's grace must not follow that of running handlers
            state.output.say(f"receiving at {front.url}SOURCE")
        stack.enter_context(signals.hanging_up(standing.read_again))
        standing.changed = lambda new: state.output.say(f"the new configuration is in force; {_watching(new)}")
        state.output.say(_watching(config))
        if not standing.run():
            signals.leave(work.stop.exit_code)
    raise typer.Exit(work.stop.exit_code)


def _watching(config: Config) -> str:
    return f"watching {when.times(len(config.sources), 'source')} by {when.times(len(config.schedules), 'schedule')}"


def _check_unserved(context: typer.Context, metrics: object) -> None:
    """What is of the receiver means nothing without it: whoever says it believes that deliveries are received."""
    said = {name: context.get_parameter_source(name) for name in ("host", "port")}
    given = [f"--{name}" for name, source in said.items() if source and source.name == "COMMANDLINE"]
    given += ["--metrics"] if metrics else []
    if given:
        raise typer.BadParameter("is of the port that --serve opens; say --serve too", param_hint=given[0])


def _read(state: State) -> Config:
    """The configuration once more, as good as at the start."""
    config = wiring.load_config(state)
    wiring.check_handlers(state, config)
    return config
