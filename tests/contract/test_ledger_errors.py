"""Every kind of database error has its words, and they name no value."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from reconcile.errors import LedgerError
from reconcile.ledger.errors import OutcomeUnknown, explain, of_commit

SQLITE = {
    sqlite3.SQLITE_FULL: "ledger: no space, nothing lost, safe to re-run (boom)",
    sqlite3.SQLITE_BUSY_SNAPSHOT: "ledger: another process kept the database locked for more than 5 s, nothing lost,",
    sqlite3.SQLITE_READONLY_DBMOVED: "ledger: the database is read-only; give this user write access",
    sqlite3.SQLITE_IOERR_WRITE: "ledger: the disk refused a read or write, nothing lost, safe to re-run (boom)",
    sqlite3.SQLITE_CORRUPT: "ledger: the file is damaged; restore it from a backup",
    sqlite3.SQLITE_CANTOPEN: "ledger: the file cannot be opened; check that its directory exists",
    sqlite3.SQLITE_ERROR: "ledger: the database refused, nothing lost, safe to re-run (boom)",
}
POSTGRESQL = {
    "DiskFull": "ledger: no space, nothing lost, safe to re-run (boom)",
    "AdminShutdown": "ledger: the server ended the connection, nothing lost, safe to re-run (boom)",
    "DeadlockDetected": "ledger: a deadlock with another transaction, nothing lost, safe to re-run (boom)",
    "LockNotAvailable": "ledger: another transaction kept a row locked for more than 10 s, nothing lost,",
    "QueryCanceled": "ledger: a statement ran longer than 60 s, nothing lost, safe to re-run (boom)",
    "ReadOnlySqlTransaction": "ledger: the database is read-only; point `ledger` at the primary, nothing lost,",
    "TooManyConnections": "ledger: the server has no connection left, nothing lost, safe to re-run (boom)",
    "InvalidPassword": "ledger: the server refuses the user or password, nothing lost, safe to re-run (boom)",
    "InsufficientPrivilege": "ledger: the user may not use these tables, nothing lost, safe to re-run (boom)",
    "UniqueViolation": "ledger: the database refused, nothing lost, safe to re-run (boom)",
}


def wrapped(cause, *, lost=False):
    return DBAPIError(
        "insert into t values (?)", ("hunter2",), cause, hide_parameters=True, connection_invalidated=lost
    )


@pytest.mark.parametrize("code", SQLITE)
def test_sqlite_codes(code):
    """L6: a SQLite result code, extended or not, becomes a cause and a way on."""
    cause = sqlite3.OperationalError("boom")
    cause.sqlite_errorcode = code
    assert str(explain(wrapped(cause))).startswith(SQLITE[code])


@pytest.mark.parametrize("name", POSTGRESQL)
def test_postgresql_states(name):
    """L6: a PostgreSQL SQLSTATE becomes a cause and a way on; a DETAIL line, which may quote values, never shows."""
    cause = getattr(psycopg.errors, name)("boom\nDETAIL:  Key (id)=(hunter2) already exists.")
    error = explain(wrapped(cause))
    assert str(error).startswith(POSTGRESQL[name])
    assert "hunter2" not in str(error)
    assert error.exit_code == 5


def test_only_a_lost_connection_makes_a_commit_unknown():
    """A commit that failed is undone; one whose answer was lost may have happened."""
    cause = psycopg.OperationalError("server closed the connection unexpectedly")
    assert isinstance(of_commit(wrapped(cause, lost=True)), OutcomeUnknown)
    known = of_commit(wrapped(cause))
    assert isinstance(known, LedgerError)
    assert not isinstance(known, OutcomeUnknown)


def test_a_message_without_words():
    """A driver's error that says nothing is named by its type."""
    assert str(explain(wrapped(sqlite3.OperationalError()))).endswith("safe to re-run (OperationalError)")
