"""From a ledger URL to SQLAlchemy engines, one pair for each database we speak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import Pool

from reconcile.errors import LedgerError
from reconcile.ledger import postgresql, sqlite


@dataclass(frozen=True, slots=True)
class Kind:
    """One database we speak: `make` gives (reader, writer), `probe` raises unless tables can be written."""

    make: Callable[[URL], tuple[Engine, Engine]]
    probe: Callable[[Engine, str], None]


#: What this process must not even close: a parent's, by whose locks and sockets it would do so.
_PARENTS: list[Pool] = []

#: Every engine there is, by dialect; the contract tests run once for each.
ENGINES = {
    "postgresql": Kind(postgresql.engines, postgresql.probe),
    "sqlite": Kind(sqlite.engines, sqlite.probe),
}


@dataclass(frozen=True, slots=True)
class Engines:
    """`reader` begins snapshots that cannot write, `writer` transactions that can."""

    dialect: str
    reader: Engine
    writer: Engine

    def probe(self, table: str) -> None:
        """Raise the database's error unless the rows of `table` can be written."""
        ENGINES[self.dialect].probe(self.writer, table)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.reader.dispose()
        self.writer.dispose()

    def disown(self) -> None:
        """Make connections anew, and leave those there are alone: they belong to the process this one is a fork of."""
        for engine in (self.reader, self.writer):
            _PARENTS.append(engine.pool)
            engine.dispose(close=False)


def parse(url: str) -> URL:
    """`sqlite:///file` or `postgresql://user:pass@host/db`; `LedgerError` for anything else, without showing it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise LedgerError(_unusable("it cannot be read")) from error
    name = dialect_of(parsed)
    if name not in ENGINES:
        raise LedgerError(_unusable(f"it names {name!r}"))
    return parsed


def dialect_of(url: URL) -> str:
    """`sqlite` or `postgresql`, whatever driver the URL names."""
    name = url.drivername.partition("+")[0]
    return "postgresql" if name == "postgres" else name


def connect(url: str) -> Engines:
    """Engines for `url`. No connection is made yet."""
    parsed = parse(url)
    dialect = dialect_of(parsed)
    reader, writer = ENGINES[dialect].make(parsed)
    return Engines(dialect, reader, writer)


def _unusable(why: str) -> str:
    return f"ledger: the URL cannot be used, {why}; it must be sqlite:///file or postgresql://user:pass@host/database"
