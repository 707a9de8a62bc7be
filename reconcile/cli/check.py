"""`check`: is everything in place for a run?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict

import typer

from reconcile.check import Finding, Level, check_configured, check_installation
from reconcile.cli import wiring
from reconcile.cli.options import AsJson
from reconcile.cli.signals import stopping
from reconcile.cli.state import State
from reconcile.errors import ConfigError
from reconcile.report import exit_code

#: Where a problem lies in the configuration, if it lies in a line of it.
_PLACE = re.compile(r":[0-9]+:[0-9]+")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Check that everything is in place for a run.

    Looks at the installation, the configuration, handlers, the ledger, credentials, clocks and subscriptions, all
    of them whatever the others say; tells what to do about each; changes nothing at a provider.
    """
    state = State.of(context)
    findings = []
    # What is asked of an app's own record may print; stdout is for our result.
    with stopping(state.stop), redirect_stdout(state.output.err):
        for finding in _findings(state):
            findings.append(finding)
            if not as_json:
                state.output.line(_line(finding))
    code = exit_code(finding.exit_code for finding in findings)
    if as_json:
        state.output.json({"checks": [asdict(finding) for finding in findings], "exit_code": code})
    raise typer.Exit(code)


def _findings(state: State) -> Iterator[Finding]:
    yield from check_installation()
    try:
        config = wiring.load_config(state, warn=False)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(Level.FAIL, "configuration", problem, _remedy(problem), error.exit_code)
        return
    yield from check_configured(config, state.clock, state.stop)


def _remedy(problem: str) -> str:
    """A problem of the file as a whole names its remedy itself."""
    if "environment variable" in problem:
        return "set it where reconcile is started, then check again"
    return "mend this line, then check again" if _PLACE.search(problem) else ""


def _line(finding: Finding) -> str:
    remedy = f"\n      → {finding.remedy}" if finding.remedy else ""
    return f"{finding.level:<4}  {finding.area}: {finding.what}{remedy}"
