"""The typer application and its global options. A module of commands is imported only when one of its own is run.

Together they need half of everything that is installed; one of them alone starts in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from reconcile import logs
from reconcile.cli.options import LogFormat
from reconcile.cli.state import State

#: Every command, as help lists it: its module, which registers it, and what it does.
COMMANDS = {
    "run": ("run", "Find what was missed, deliver it, and report."),
    "baseline": ("run", "Record what exists as handled already."),
    "init": ("init", "Write a commented first configuration."),
    "check": ("check", "Check that everything is in place for a run."),
    "status": ("status", "Show what is proven and what is open."),
    "explain": ("explain", "Tell what happened to one subject."),
    "gaps": ("gaps", "What was found wrong and is not resolved."),
    "events": ("events", "What was recorded, however it came."),
    "subscriptions": ("subscriptions", "Webhook subscriptions, as they are and should be."),
    "transactions": ("transactions", "What is pending at providers, and its end."),
    "alerts": ("alerts", "What people are told, and whether it arrives."),
    "pause": ("targets", "Stop delivering a source's events."),
    "resume": ("targets", "Deliver a source's events again."),
    "db": ("db", "The ledger's schema and its health."),
    "serve": ("serve", "Receive webhooks and deliver them."),
    "daemon": ("daemon", "Run the schedules and deliver, until stopped."),
    "cron": ("cron", "Run the schedules that are due, and exit."),
    "demo": ("demo", "Show it at work, with no account needed."),
}


def application(needed: Iterable[str]) -> typer.Typer:
    """The application with the commands that are `needed`; of the others it knows what help lists."""
    app = typer.Typer(
        name="reconcile",
        help="Find the webhook events a service lost, run them through its own handlers, and prove what is complete.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_globals)
    modules = dict.fromkeys(COMMANDS[name][0] for name in needed if name in COMMANDS)
    for module in modules:
        import_module(f"reconcile.cli.{module}").register(app)
    for name, (module, what) in COMMANDS.items():
        if module not in modules:
            app.command(name, help=what)(_not_loaded)
    return app


def _not_loaded() -> None:
    raise RuntimeError("a command was run that is not loaded")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"reconcile {version('reconcile')}")
        raise typer.Exit


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
