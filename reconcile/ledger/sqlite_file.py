"""The file of a SQLite ledger: made for its owner alone, and no other one than it was when it was opened."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from sqlalchemy import URL

from reconcile.errors import LedgerError


class SameFile:
    """Refuses a file that was deleted, moved or replaced while this program has it open.

    SQLite goes on with the one it opened, which nobody else sees any more: whatever is committed there, and answered
    with 2xx, is gone when the last program that has it open ends. Connections made later would have another one.
    """

    def __init__(self) -> None:
        self._path = Path()
        self._identity: tuple[int, int] | None = None

    def opened(self, driver: sqlite3.Connection) -> None:
        """Hear of a connection that was just made; the first one says which file it is."""
        if self._identity is None:
            self._path = Path(driver.execute("PRAGMA database_list").fetchone()[2])
            self._identity = self._now()
        self.check()

    def check(self) -> None:
        """Raise `LedgerError` unless the file is there and still the same."""
        if self._now() != self._identity:
            raise LedgerError(
                f"ledger: {self._path} was deleted, moved or replaced while this program had it open, so nothing more "
                "is written; stop every program that uses it, put the right file in its place, then start them again"
            )

    def _now(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def prepare(url: URL) -> None:
    """Make the file for its owner alone if it is not there yet; `LedgerError` if it cannot be one of ours."""
    path = path_of(url)
    directory = path.parent
    if not directory.is_dir():
        raise LedgerError(f"ledger: the directory {directory} does not exist; create it, then run again")
    if path.is_dir():
        raise LedgerError(f"ledger: {path} is a directory; name a file in it, such as {path / 'reconcile.db'}")
    if path.is_symlink() and directory.stat().st_mode & stat.S_IWOTH:
        raise LedgerError(
            f"ledger: {path} is a symbolic link in a directory everyone may write to; name the file itself or move it"
        )
    if "mode" not in url.query:
        _create(path)


def _create(path: Path) -> None:
    """An existing file keeps its mode: it may be the application's own. SQLite gives -wal and -shm the file's mode."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise LedgerError(
            f"ledger: {path} cannot be created ({error.strerror}); give this user write access to {path.parent}, or"
            " name another file in `ledger`"
        ) from error
    os.fchmod(descriptor, 0o600)
    os.close(descriptor)


def path_of(url: URL) -> Path:
    """The file; raises `LedgerError` for a database in memory."""
    name = (url.database or "").removeprefix("file:")
    if not name or name == ":memory:" or url.query.get("mode") == "memory":
        raise LedgerError("ledger: an in-memory database would forget everything; name a file: sqlite:///reconcile.db")
    return Path(name)
