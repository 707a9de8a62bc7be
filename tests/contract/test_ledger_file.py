"""A SQLite ledger whose file goes away while it is open."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import text

from reconcile.clock import SystemClock
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger

ADD = text("insert into reconcile_run (id, started_at, report) values ('a', 1, x'')")


def deleted(path):
    for file in path.parent.glob("ledger.db*"):
        file.unlink()


def replaced(path):
    """By a backup, as somebody does who forgot to stop what runs."""
    backup = path.with_name("backup.db")
    Ledger.open(f"sqlite:///{backup}", SystemClock()).close()
    deleted(path)
    backup.replace(path)


def moved(path):
    path.rename(path.with_name("ledger.old"))


def write(ledger):
    with ledger.write() as tx:
        tx.connection.execute(ADD)


def read(ledger):
    with ledger.read() as tx:
        tx.connection.execute(text("select 1 from reconcile_run"))


def handle(ledger):
    with ledger.session() as session:
        session.execute(ADD)
        session.commit()


@pytest.fixture
def held(sqlite_databases, tmp_path):
    """A ledger that is open, with a connection of each kind in hand."""
    with sqlite_databases.fresh(tmp_path) as url:
        ledger = Ledger.open(url, SystemClock())
        read(ledger)
        yield ledger
        ledger.close()


@pytest.mark.parametrize("do", [write, read, handle])
@pytest.mark.parametrize("away", [deleted, replaced, moved])
def test_a_file_that_is_another_one_now_is_not_written_any_more(held, tmp_path, away, do):
    """H6: what was committed to a file nobody sees any more would be lost, although its sender heard 2xx."""
    path = tmp_path / "ledger.db"
    away(path)
    with pytest.raises(LedgerError, match=rf"{path} was deleted, moved or replaced .*, then start them again") as said:
        do(held)
    assert said.value.exit_code == 5
    if away is replaced:
        assert sqlite3.connect(path).execute("select count(*) from reconcile_run").fetchone() == (0,)
        anew = Ledger.open(held.url, SystemClock())
        do(anew)
        anew.close()


def test_a_connection_made_after_the_file_was_replaced_is_refused_too(held, tmp_path):
    """L3: of one program's connections some would see the old file and some the new one."""
    replaced(tmp_path / "ledger.db")
    held.close()  # its pools make new ones
    with pytest.raises(LedgerError, match="was deleted, moved or replaced"):
        read(held)
