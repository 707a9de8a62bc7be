"""What every engine's transactions promise."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from reconcile.errors import LedgerError

ADD = text("insert into reconcile_horizon (source, topic, at, reason) values ('shop', :topic, 1, 'since')")
TOPICS = text("select topic from reconcile_horizon order by topic")


def topics(ledger):
    with ledger.read() as tx:
        return list(tx.connection.execute(TOPICS).scalars())


def test_write_commits_at_the_end(ledger):
    """A write transaction is there once its block has ended."""
    with ledger.write() as tx:
        tx.connection.execute(ADD, {"topic": "a"})
    assert topics(ledger) == ["a"]


def test_exception_rolls_back(ledger):
    """Any exception in the block takes everything of it back."""

    def interrupted():
        with ledger.write() as tx:
            tx.connection.execute(ADD, {"topic": "a"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert topics(ledger) == []


def test_read_is_a_snapshot(ledger):
    """What is committed after a read transaction's first statement is not seen in it."""
    with ledger.read() as tx:
        assert list(tx.connection.execute(TOPICS)) == []
        with ledger.write() as other:
            other.connection.execute(ADD, {"topic": "a"})
        assert list(tx.connection.execute(TOPICS)) == []
    assert topics(ledger) == ["a"]


def test_read_never_writes(ledger):
    """A write inside a read transaction is refused, and the next write works again."""
    with pytest.raises(LedgerError, match="read"), ledger.read() as tx:
        tx.connection.execute(ADD, {"topic": "a"})
    with ledger.write() as tx:
        tx.connection.execute(ADD, {"topic": "b"})
    assert topics(ledger) == ["b"]


def test_session_commits_what_a_handler_did(ledger):
    """A handler's session shares the ledger's database."""
    with ledger.session() as session:
        session.connection().execute(ADD, {"topic": "a"})
        session.commit()
    assert topics(ledger) == ["a"]
