"""Sessions for handlers, one after the other."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from reconcile.ledger.handler_session import HandlerSessions


@pytest.fixture
def sessions(ledger):
    """Sessions on a ledger with a table of the application's."""
    with ledger.write() as tx:
        tx.connection.execute(text("create table effect (id integer)"))
    return HandlerSessions(ledger.session)


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
