"""Database errors said in our words: what happened, that nothing was lost, and that it is safe to run again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reconcile.errors import LedgerError

_SAFE = "nothing lost, safe to re-run"
_LIMIT = 200  # characters of a driver's message

#: SQLite's primary result codes (https://www.sqlite.org/rescode.html).
_SQLITE = {
    5: "another process kept the database locked for more than 5 s",
    6: "another process kept the database locked for more than 5 s",
    8: "the database is read-only; give this user write access to the file and its directory",
    10: "the disk refused a read or write",
    11: "the file is damaged; restore it from a backup, then run again",
    13: "no space",
    14: "the file cannot be opened; check that its directory exists and may be written",
    26: "the file is not a SQLite database; move it away, or name another file in `ledger`",
}

#: PostgreSQL's SQLSTATEs, whole or by class (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRESQL = {
    "25006": "the database is read-only; point `ledger` at the primary",
    "28": "the server refuses the user or password",
    "3D000": "the database does not exist; create it first",
    "40001": "another transaction changed the same rows",
    "40P01": "a deadlock with another transaction",
    "42501": "the user may not use these tables",
    "53100": "no space",
    "53300": "the server has no connection left",
    "55P03": "another transaction kept a row locked for more than 10 s",
    "57014": "a statement ran longer than 60 s",
    "57P": "the server ended the connection",
    "08": "the connection to the server was lost",
}

#: ... and those of them that say no more than that somebody else is writing.
_PASSING = ("40001", "40P01", "55P03")


class OutcomeUnknown(LedgerError):
    """The connection broke while a commit was answered: it holds entirely or not at all, and we cannot say which."""


def explain(error: BaseException, where: str = "") -> LedgerError:
    """The `LedgerError` for an error of the database, its driver or the pool; never shows a bound value.

    `where` is the ledger's URL without its password.
    """
    if isinstance(error, PoolTimeout):
        return LedgerError(f"ledger: every connection is in use; {_SAFE}{_detail('', where)}")
    cause = (error.orig if isinstance(error, DBAPIError) else None) or error
    reason = _reason(cause)
    if not reason:
        reason = _of_connection(error)
    return LedgerError(
        "ledger: " + ", ".join(filter(None, [reason or "the database refused", _SAFE])) + _detail(_line(cause), where)
    )


def of_commit(error: DBAPIError, where: str = "") -> LedgerError:
    """The same for an error of COMMIT itself, whose outcome is unknown once the connection is gone."""
    if not error.connection_invalidated:
        return explain(error, where)
    return OutcomeUnknown(
        "ledger: unknown outcome: the connection was lost while committing, so the last page is stored whole or not"
        " at all; safe to re-run" + _detail(_line(error.orig or error), where)
    )


@contextmanager
def translated(where: str = "") -> Iterator[None]:
    """Let database errors of the body leave as `LedgerError`; everything else, a bug of ours included, passes."""
    try:
        yield
    except (DBAPIError, PendingRollbackError, PoolTimeout, sqlite3.Error) as error:
        raise explain(error, where) from error


def is_locked(error: BaseException) -> bool:
    """Whether this says that another connection is writing."""
    cause = (error.orig if isinstance(error, DBAPIError) else None) or error
    return _sqlite_code(cause) in (5, 6)


def passes(error: LedgerError) -> bool:
    """Whether an error only says that someone else is writing, so that the same transaction may be tried again."""
    cause = error.__cause__
    if cause is None:
        return False
    return is_locked(cause) or getattr(getattr(cause, "orig", None), "sqlstate", None) in _PASSING


def _of_connection(error: BaseException) -> str:
    """What can be said of an error without a code: a driver has none when the server never answered."""
    if isinstance(error, PendingRollbackError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return _POSTGRESQL["08"]
    if isinstance(error, OperationalError) and error.statement is None:
        return (
            "no connection to the server; see that it runs, and that `ledger` names its host, port, user and database"
        )
    return ""


def _reason(cause: BaseException) -> str:
    if isinstance(cause, sqlite3.Error):
        return _SQLITE.get(_sqlite_code(cause), "")
    state = getattr(cause, "sqlstate", None) or ""
    return next((text for code, text in _POSTGRESQL.items() if state and state.startswith(code)), "")


def _sqlite_code(cause: BaseException) -> int:
    return int(getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF


def _line(cause: BaseException) -> str:
    """The driver's first line: later ones (PostgreSQL's DETAIL) may quote values."""
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:_LIMIT]


def _detail(line: str, where: str) -> str:
    said = "; ".join(filter(None, (line, where)))
    return f" ({said})" if said else ""
