"""The session a handler is given: the ledger's database, in a transaction that only we may end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session

from reconcile.errors import ReconcileError


class SessionMisused(ReconcileError):
    """A handler tried to end the transaction that also carries its event's mark."""


class HandlerSession(Session):
    """A `sqlmodel.Session` without `commit`, `rollback`, `close` and `begin`; savepoints (`begin_nested`) are free.

    Its transaction begins at its first statement and is committed, together with the mark that the event is
    handled, after the handler has returned; it is rolled back if the handler raises.
    """

    def __init__(self, bind: Engine | Connection) -> None:
        self._held: Connection | None = None
        self._ended = False
        self._dropped = False
        super().__init__(bind, expire_on_commit=False)

    def commit(self) -> NoReturn:
        """Refused: the effect and the mark are one commit."""
        _refuse("commit")

    def rollback(self) -> NoReturn:
        """Refused: raise an exception to undo everything, or use `begin_nested()` to undo a part."""
        _refuse("rollback")

    def close(self) -> NoReturn:
        """Refused: the session is closed after the handler has returned."""
        _refuse("close")

    def reset(self) -> NoReturn:
        """Refused, as `close` is."""
        _refuse("reset")

    def invalidate(self) -> NoReturn:
        """Refused, as `close` is."""
        _refuse("invalidate")

    def prepare(self) -> NoReturn:
        """Refused, as `commit` is."""
        _refuse("prepare")

    def begin(self, nested: bool = False) -> SessionTransaction:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Refused, but for the savepoints of `begin_nested()`: the transaction begins by itself."""
        if not nested:
            _refuse("begin")
        return super().begin(nested=True)

    @property
    def untouched(self) -> bool:
        """Whether the handler did nothing with it."""
        return not (self._held or self._ended or self.new or self.dirty or self.deleted)

    def fault(self) -> str:
        """Why its transaction cannot be committed although the handler returned; "" if it can."""
        if self._ended:
            return "the handler ended the session's transaction by itself"
        if not self.is_active:
            return "the handler went on after a database error that had undone its transaction; use begin_nested()"
        return _fault_of(self._held) if self._held else ""

    def held(self) -> Connection:
        """The connection of its transaction, which begins now if it had not."""
        return self._held or self.connection()

    def keep(self) -> None:
        """Commit, for whoever made the session."""
        super().commit()

    def drop(self) -> None:
        """Undo whatever is not committed and give the connection back, thrown away if it cannot be trusted."""
        if self._dropped:
            return
        self._dropped = True
        try:
            super().close()
        except SQLAlchemyError:
            with suppress(SQLAlchemyError):  # the connection is gone already, and with it the transaction
                super().invalidate()


class HandlerSessions:
    """Guarded sessions, one at a time, on the database that the sessions of `factory` (`Ledger.session`) use.

    They share one connection as long as it is sound: taking it from the pool and giving it back for every event
    would cost a third of what a commit does. Not on PostgreSQL, where the pool asks first whether it still works.
    """

    def __init__(self, factory: Callable[[], Session]) -> None:
        with factory() as session:
            self._engine = session.get_bind().engine
        self._kept: Connection | None = None

    def __call__(self) -> HandlerSession:
        """A session for one call."""
        return HandlerSession(self._engine if self._engine.dialect.name != "sqlite" else self._connection())

    def _connection(self) -> Connection:
        kept = self._kept
        if kept is None or kept.closed or kept.invalidated or kept.in_transaction():
            self._let_go()
            kept = self._kept = self._engine.connect()
        return kept

    def _let_go(self) -> None:
        if self._kept is not None and not self._kept.closed:
            with suppress(SQLAlchemyError):
                self._kept.close()


@event.listens_for(HandlerSession, "after_begin")
def _note_begin(session: HandlerSession, _transaction: Any, connection: Connection) -> None:
    session._held = connection  # noqa: SLF001 - the listener is part of the class


@event.listens_for(HandlerSession, "after_transaction_end")
def _note_end(session: HandlerSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session._ended = True  # noqa: SLF001 - the listener is part of the class


def _refuse(what: str) -> NoReturn:
    raise SessionMisused(
        f"session.{what}() is not for handlers: what the handler wrote is committed in one transaction with the mark "
        "that its event is handled, once it returns; raise an exception to undo it, or use session.begin_nested()"
    )


def _fault_of(connection: Connection) -> str:
    """Whether the database itself still holds the transaction: an error may have ended it without a word."""
    if connection.invalidated:
        return "the handler went on after a database error that had ended its transaction"
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return "" if driver.in_transaction else "its transaction was ended, by the handler's own COMMIT or ROLLBACK"
    status = driver.info.transaction_status.name  # https://www.psycopg.org/psycopg3/docs/api/pq.html
    if status == "INERROR":
        return "the handler swallowed a database error that had undone its transaction; use begin_nested()"
    return "" if status == "INTRANS" else "its transaction was ended by the handler's own COMMIT"
