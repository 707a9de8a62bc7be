"""The typer application and its global options; each module of commands registers itself here."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from reconcile import logs
from reconcile.cli import check, cron, daemon, db, demo, events, explain, gaps, init, run, serve, status, targets
from reconcile.cli.options import LogFormat
from reconcile.cli.state import State

app = typer.Typer(
    name="reconcile",
    help="Find the webhook events a service lost, run them through its own handlers, and prove what is complete.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"reconcile {version('reconcile')}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The configuration file.",
            show_default="$RECONCILE_CONFIG, else ./schedules.yaml",
        ),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How to log on stderr.")] = LogFormat.PLAIN,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    state = State.of(context)
    state.choose_config(config)
    state.log_format = log_format.value
    state.output.records = state.log_format == "json"
    logs.setup(state.log_format, state.output.redactor, state.output.err)


for module in (run, init, check, status, explain, gaps, events, targets, db, serve, daemon, cron, demo):
    module.register(app)
