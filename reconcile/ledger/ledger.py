"""The ledger: where everything we know is kept, and the transactions that read and change it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from weakref import WeakSet

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from reconcile.clock import Clock
from reconcile.ledger import errors
from reconcile.ledger import upgrade as upgrades
from reconcile.ledger.engine import Engines, connect, parse
from reconcile.ledger.postgresql import UNBOUNDED
from reconcile.ledger.sqlite import Turns


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction. `now` is the ledger's clock when it began, UTC."""

    connection: Connection
    dialect: str
    now: datetime


class Ledger:
    """Opened with `Ledger.open`; for many threads. A forked child has its own connections.

    Every database error leaves it as `LedgerError`.
    """

    def __init__(self, url: str, engines: Engines, clock: Clock) -> None:
        self.url = url
        self.dialect = engines.dialect
        self.clock = clock
        self._engines = engines
        # Neither the password nor the parameters, which may hold another.
        self.shown = parse(url).set(query={}).render_as_string(hide_password=True)
        self._for_handlers = engines.writer.execution_options(**{UNBOUNDED: True})
        self._turn = Turns().take if engines.dialect == "sqlite" else nullcontext
        _opened.add(self)

    @classmethod
    def open(cls, url: str, clock: Clock, *, upgrade: bool = True) -> Ledger:
        """Open the ledger at `url`, creating its tables if it has none and `upgrade` allows it.

        Raises `LedgerError` when it cannot be reached or written, or when its schema is not this code's.
        """
        ledger = cls(url, connect(url), clock)
        try:
            ledger._prepare(create=upgrade)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @classmethod
    def upgrade(cls, url: str, clock: Clock) -> tuple[str, str]:
        """Bring the ledger's schema to this code's; (revision before, revision now), "" for an empty ledger."""
        ledger = cls(url, connect(url), clock)
        try:
            with ledger.write() as tx:
                return upgrades.upgrade(tx.connection)
        finally:
            ledger.close()

    def __repr__(self) -> str:
        return f"Ledger({self.shown!r})"

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction that commits when its block ends and rolls back on any exception.

        SQLite takes its write lock at once, so never hold one over a network call.
        """
        with errors.translated(self.shown), self._turn(), self._engines.writer.connect() as connection:
            connection.begin()
            yield self._tx(connection)
            try:
                connection.commit()
            except DBAPIError as error:
                raise errors.of_commit(error, self.shown) from error

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One snapshot for every statement of the block; writing in it is refused."""
        with errors.translated(self.shown), self._engines.reader.connect() as connection:
            connection.begin()
            yield self._tx(connection)

    def session(self) -> Session:
        """A session for a handler; its transaction begins at its first statement (SQLite: `BEGIN IMMEDIATE`).

        How long a statement may take is the handler's own affair: its timeout ends it.
        """
        return Session(self._for_handlers)

    def now(self) -> datetime:
        """The ledger's clock, UTC: the database's own where several machines may share it, else the injected one."""
        if self.dialect == "sqlite":
            return self.clock.now()
        with self.read() as tx:
            return tx.now

    def close(self) -> None:
        """Close every pooled connection."""
        self._engines.dispose()

    def disown(self) -> None:
        """Take nothing along from the process that this one is a fork of: no connection, whose answers both would read,
        and no turn, which nobody here has.
        """
        self._engines.disown()
        self._turn = Turns().take if self.dialect == "sqlite" else nullcontext

    def _prepare(self, *, create: bool) -> None:
        with self.read() as tx:
            found = upgrades.revision(tx.connection)
        if not found and create:
            with self.write() as tx:
                upgrades.upgrade(tx.connection)
        else:
            upgrades.check(found)
        with errors.translated(self.shown):
            self._engines.probe(upgrades.VERSION_TABLE)

    def _tx(self, connection: Connection) -> Tx:
        if self.dialect == "sqlite":
            return Tx(connection, self.dialect, self.clock.now())
        now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        return Tx(connection, self.dialect, now.astimezone(UTC))


_opened: WeakSet[Ledger] = WeakSet()


def _forked() -> None:
    for ledger in list(_opened):
        ledger.disown()


os.register_at_fork(after_in_child=_forked)
