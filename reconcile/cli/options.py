"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reconcile import when
from reconcile.clock import Clock
from reconcile.errors import ConfigError
from reconcile.model import Subject

if TYPE_CHECKING:  # only named here: help needs these options, and not half a second of configuration
    from reconcile.config import Config


class LogFormat(StrEnum):
    """What `--log-format` takes."""

    PLAIN = "plain"
    JSON = "json"


WHEN = "a date, a timestamp or an age: 2024-01-01, 2024-01-01T10:00:00Z, 7d; UTC unless it has an offset"

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, also when it fails.")]
OneSource = Annotated[str, typer.Option("--source", metavar="NAME", help="Only this source.", show_default=False)]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="Only this source; may be given more than once.", show_default=False),
]
#: No row of a ledger has a larger number, and no database counts further.
LARGEST = 2**63 - 1
Limit = Annotated[int, typer.Option("--limit", metavar="NUMBER", min=1, max=LARGEST, help="At most this many.")]


def instant(text: str | None, option: str, clock: Clock) -> datetime | None:
    """The instant an option names; a usage error, naming the option, if it names none."""
    if text is None:
        return None
    try:
        return when.parse(text, clock.now())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def known_sources(config: Config, names: Sequence[str]) -> tuple[str, ...]:
    """`names`, each once, all of them configured; else `ConfigError` naming those there are."""
    unknown = [name for name in names if name not in config.sources]
    if unknown:
        raise ConfigError(f"no source is called {listed(unknown)}; {config.path.name} has: {listed(config.sources)}")
    return tuple(dict.fromkeys(names))


def subject(text: str) -> Subject:
    """`order/1001` as a subject; the id may hold slashes of its own."""
    type_, slash, id_ = text.partition("/")
    if not (type_ and slash and id_):
        raise typer.BadParameter("must be type/id, such as order/1001", param_hint="SUBJECT")
    return Subject(type_, id_)


def listed(names: Iterable[str]) -> str:
    """Names for a sentence."""
    return ", ".join(names) or "none"
