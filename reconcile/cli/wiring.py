"""The production parts of a `Context`: the file, the ledger, the machine's clock, real transports and targets."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace

from reconcile import config as configuration
from reconcile import runner
from reconcile.check import handlers
from reconcile.cli.progress import watching
from reconcile.cli.signals import stopping
from reconcile.cli.state import State
from reconcile.cli.tallies import MISSING
from reconcile.config import Config
from reconcile.context import Context, Options
from reconcile.ledger import Ledger
from reconcile.logs import secrets_of
from reconcile.report import RunReport
from reconcile.targets import factory
from reconcile.targets.loading import make_importable
from reconcile.turns import Run


def load_config(state: State, *, warn: bool = True) -> Config:
    """The configuration; its secrets are hidden from then on, its warnings said unless told not to.

    The file's folder becomes importable: handlers and the app's record may lie beside it. Raises `ConfigError`.
    """
    config = configuration.load(state.config_path, state.env)
    state.output.redactor.learn(secrets_of(config))
    make_importable(config.path.parent)
    for warning in config.warnings if warn else ():
        state.output.say(f"warning: {warning}", level=logging.WARNING)
    return config


def check_handlers(state: State, config: Config, names: Sequence[str] = ()) -> None:
    """Raise `ConfigError` unless the handlers of these sources, of all if none is named, can be called.

    Before anything is started: a handler that cannot be called is a fault of the configuration.
    """
    chosen = [one for name, one in config.sources.items() if not names or name in names]
    handlers.require(chosen, config.path.parent, state.clock, state.stop)


@contextmanager
def open_ledger(state: State, config: Config) -> Iterator[Ledger]:
    """The configured ledger. Raises `LedgerError`."""
    ledger = Ledger.open(config.ledger.get_secret_value(), state.clock)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def working(state: State, config: Config) -> Iterator[Context]:
    """A context to run jobs with, whose progress nobody watches; signals stop it."""
    # What an app's own record prints is not our result: that goes to stdout as it was before.
    with redirect_stdout(state.output.err), open_ledger(state, config) as ledger, stopping(state.stop):
        yield Context(config, ledger, state.clock, state.stop, lambda _source: None, factory.make)


def watched(state: State, found: str = MISSING) -> Run:
    """`runner.run`, with each run's progress shown until it ends; `found` as `watching` takes it.

    Bars that went on would be drawn over what is printed next, and again after each turn of `cron`.
    """

    def run(context: Context, jobs: Sequence[str], options: Options, command: str) -> RunReport:
        with watching(state.output, state.clock, state.log_format, found) as progress:
            return runner.run(replace(context, progress=progress), jobs, options, command)

    return run
