"""What the process and the global options bring to a command; typer carries it as the context's object."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path

import typer

from reconcile.cli.output import Output
from reconcile.clock import Clock, Stop, SystemClock
from reconcile.logs import Format, Redactor
from reconcile.spelling import names_a_secret

DEFAULT_CONFIG = "schedules.yaml"
CONFIG_VARIABLE = "RECONCILE_CONFIG"
APOLOGY = "reconcile: this is a bug, sorry. What was committed is safe, and so is running again. Please report:"


@dataclass(slots=True)
class State:
    """One invocation. `config_path` is `--config`, else `$RECONCILE_CONFIG`, else `./schedules.yaml`."""

    output: Output
    env: Mapping[str, str]
    clock: Clock = field(default_factory=SystemClock)
    stop: Stop = field(default_factory=Stop)
    config_path: Path = Path(DEFAULT_CONFIG)
    log_format: Format = "plain"

    @classmethod
    def of_process(cls) -> State:
        """The state of this process."""
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a bar's blocks gets them as escapes, not an error in mid-report.
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return cls(Output(sys.stdout, sys.stderr, Redactor()), os.environ)

    @staticmethod
    def of(context: typer.Context) -> State:
        """The state a command was invoked with."""
        state = context.find_object(State)
        assert state is not None  # noqa: S101 - `main` always gives one
        return state

    def choose_config(self, given: Path | None) -> None:
        """Settle which configuration file is meant."""
        self.config_path = given or Path(self.env.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)

    def apologise(self, error: BaseException) -> None:
        """Say that it is our fault, with a traceback from which every secret is gone."""
        # The configuration may not be loaded yet, so what looks like a secret in the environment is hidden too.
        self.output.redactor.learn(value for name, value in self.env.items() if names_a_secret(name))
        self.output.complain(f"{APOLOGY}\n{''.join(traceback.format_exception(error)).rstrip()}")
