"""Sessions for handlers, one after the other."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from reconcile.clock import SystemClock
from reconcile.ledger import Ledger
from reconcile.ledger.handler_session import HandlerSessions


@pytest.fixture
def sessions(ledger):
    """Sessions on a ledger with a table of the application's."""
    return a_table(ledger)


def a_table(ledger):
    with ledger.write() as tx:
        tx.connection.execute(text("create table effect (id integer)"))
    return HandlerSessions(ledger.session)


@pytest.fixture
def on_sqlite(sqlite_databases, tmp_path):
    """A fresh SQLite ledger."""
    with sqlite_databases.fresh(tmp_path) as url:
        opened = Ledger.open(url, SystemClock())
        yield opened
        opened.close()


def put(session, number):
    session.execute(text("insert into effect values (:number)"), {"number": number})


def rows(ledger):
    with ledger.read() as tx:
        return sorted(tx.connection.execute(text("select id from effect")).scalars())


def keep(session, number):
    put(session, number)
    session.keep()
    session.drop()


def test_each_has_its_own_transaction(ledger, sessions):
    """H2: what one session kept stays, what another dropped is gone, whatever connection they share."""
    for number in range(4):
        session = sessions()
        put(session, number)
        if number % 2:
            session.keep()
        session.drop()
    assert rows(ledger) == [1, 3]


def closed(session):
    session.connection().close()


def invalidated(session):
    session.connection().invalidate()


def committed(session):
    session.connection().exec_driver_sql("commit")


@pytest.mark.parametrize("spoil", [closed, invalidated, committed])
def test_a_spoilt_connection_is_not_used_again(ledger, sessions, spoil):
    """H8: whatever a handler did to its session's connection, the next event's session works."""
    keep(sessions(), 1)
    session = sessions()
    session.connection()
    spoil(session)
    session.drop()
    keep(sessions(), 2)
    keep(sessions(), 3)
    assert rows(ledger) == [1, 2, 3]


def fill_the_disk(session):
    pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
    session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    session.execute(text("insert into effect values (zeroblob(500000))"))


def conflict(session):
    put(session, 8)
    session.execute(text("create unique index one on effect (id)"))
    session.execute(text("insert or rollback into effect values (8)"))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("fail", [fill_the_disk, conflict])
def test_nothing_is_written_after_an_error_that_ended_the_transaction(on_sqlite, fail, nested):
    """H2: SQLite would commit what a handler does after it by itself, without the mark: done again by each attempt."""
    sessions = a_table(on_sqlite)
    keep(sessions(), 1)
    session = sessions()
    put(session, 2)
    with suppress(SQLAlchemyError), session.begin_nested() if nested else nullcontext():
        fail(session)
    with suppress(SQLAlchemyError):
        put(session, 3)
    assert session.fault() != ""
    session.drop()
    keep(sessions(), 4)
    assert rows(on_sqlite) == [1, 4]
