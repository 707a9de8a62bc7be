"""`cron`: what is due since the last time, for people who have a cron already."""

from __future__ import annotations

import typer

from reconcile import rhythm, turns
from reconcile.cli import reports, wiring
from reconcile.cli.state import State
from reconcile.context import Options
from reconcile.errors import ConfigError
from reconcile.report import exit_code


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(cron)


def cron(context: typer.Context) -> None:
    """Run the schedules that are due, and exit.

    For a crontab or a Kubernetes CronJob, every few minutes. A schedule that never ran is due. Prints nothing when
    nothing was due, so that cron sends no mail about it.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    if not config.schedules:
        raise ConfigError(f"{config.path}: there are no schedules; add some under `schedules:`")
    codes = []
    with wiring.working(state, config) as work:
        if turns.due(work):  # importing a handler may print, and a call with nothing to do says nothing
            wiring.check_handlers(state, config)
        for schedule, report in turns.run_due(work, "cron", Options().wait, wiring.watched(state)):
            state.output.line(f"{rhythm.name_of(schedule)}:")
            reports.show(state, report, as_json=False)
            codes.append(report.exit_code)
        stopped = [work.stop.exit_code] if work.stop.is_set() else []
    raise typer.Exit(exit_code([*codes, *stopped]))
