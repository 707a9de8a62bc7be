"""A ledger in one SQLite file.

The driver stays in autocommit and we begin transactions ourselves: the standard library's own rules open none for
SELECT, and a read transaction that turns into a write fails at once however long the busy timeout.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from reconcile.errors import LedgerError
from reconcile.ledger.errors import is_locked
from reconcile.ledger.sqlite_file import SameFile, prepare

BUSY_MS = 5000
#: Seconds between looks for the write lock: at first, and once it has been missed for `_EAGER` seconds.
_LOOK, _LOOK_LATER, _EAGER = 0.0005, 0.005, 0.1


def engines(url: URL) -> tuple[Engine, Engine]:
    """(reader, writer), each with a pool of its own; the file is made for its owner alone if it is not there yet.

    `query_only` is said once to a reader's connection: said again for each transaction of a shared one, it would make
    SQLite compile every statement anew, which takes longer than most of them run.
    """
    prepare(url)
    file = SameFile()
    reader, writer = _engine(url, file, _begin), _engine(url, file, _begin_immediate)
    event.listen(reader, "connect", _refuse_writes)
    return reader, writer


def _engine(url: URL, file: SameFile, begin: Callable[[sqlite3.Connection], None]) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
        pool_timeout=10,
        hide_parameters=True,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": BUSY_MS / 1000},
    )

    def do_begin(connection: PoolProxiedConnection) -> None:
        file.check()
        begin(_driver(connection))

    def connect(driver: sqlite3.Connection, _record: object) -> None:
        _configure(driver)
        file.opened(driver)

    # Not by events: where one of its events is listened to, SQLAlchemy looks for listeners at every statement.
    engine.dialect.do_begin = do_begin  # type: ignore[assignment,method-assign]
    engine.dialect.is_disconnect = _is_over  # type: ignore[assignment,method-assign]
    event.listen(engine, "connect", connect)
    return engine


class Turns:
    """The writers of one process in a queue. SQLite waits by polling, which lets some starve: with eight threads
    writing, the longest wait falls from over 4 s to under 0.5 s, and half as much again is written.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Be the only writer of this process; `LedgerError` after the patience there is for other processes."""
        if not self._lock.acquire(timeout=BUSY_MS / 1000):
            raise LedgerError(
                "ledger: this program kept the database locked for more than 5 s, nothing lost, safe to re-run"
            )
        try:
            yield
        finally:
            self._lock.release()


def probe(writer: Engine, table: str) -> None:
    """Raise unless `table` may be written; a database that someone else is writing at this moment may be."""
    with writer.connect() as connection:
        driver = _driver(connection.connection)
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            driver.execute("BEGIN IMMEDIATE")
            driver.execute(f"update {table} set version_num = version_num")
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise
        finally:
            driver.rollback()
            driver.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def _is_over(_error: Exception, connection: Any, cursor: object) -> bool:
    """Whether an error of a statement has ended the whole transaction, as a full disk does or `INSERT OR ROLLBACK`.

    To SQLAlchemy that is a connection that was lost: it refuses every later statement until somebody rolls back. Left
    to itself, each would be committed alone, although what belongs to it is undone.
    """
    return cursor is not None and connection is not None and not connection.in_transaction


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    _use_write_ahead_log(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Readers must not stop the writer. The change itself does not wait for other connections, so we do."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            found = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if found != "wal":
            raise LedgerError(
                f"ledger: this file system cannot keep a write-ahead log (SQLite answered {found!r}); nothing lost:"
                " put the file on a local disk or use PostgreSQL"
            )
        return


def _refuse_writes(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = 1")


def _begin(driver: sqlite3.Connection) -> None:
    driver.execute("BEGIN")


def _begin_immediate(driver: sqlite3.Connection) -> None:
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        if not _took_write_lock(driver):
            driver.execute("BEGIN IMMEDIATE")  # to raise why
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def _driver(connection: PoolProxiedConnection) -> sqlite3.Connection:
    """The driver's own connection: SQLAlchemy's way there costs more than the statements do."""
    driver = connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - narrows for mypy
    return driver


def _took_write_lock(driver: sqlite3.Connection) -> bool:
    """Look for it often. SQLite's own looks are 100 ms apart in the end, and beside a process that commits without a
    pause (our own worker, handling events) they miss nearly every short moment in which the lock is free.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < BUSY_MS / 1000:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                return False
        else:
            return True
        time.sleep(_LOOK if waited < _EAGER else _LOOK_LATER)
    return False
