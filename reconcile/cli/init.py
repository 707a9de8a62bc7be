"""`init`: a first configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from reconcile.cli.state import DEFAULT_CONFIG, State
from reconcile.config import starter
from reconcile.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    context: typer.Context,
    *,
    path: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")] = Path(DEFAULT_CONFIG),
) -> None:
    """Write a commented first configuration.

    An existing file is never touched.
    """
    state = State.of(context)
    _write_new(path, starter())
    named = "" if str(path) == DEFAULT_CONFIG else f"--config {path} "
    state.output.line(f"wrote {path}; set what it names in the environment, then: reconcile {named}check")


def _write_new(path: Path, text: str) -> None:
    """For its owner alone, and only if nothing is there: a link's target is not overwritten either."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} exists and was left as it is; remove it, or name another with --path") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; name another with --path") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
