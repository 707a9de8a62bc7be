"""What every engine's transactions promise."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.clock import ManualClock

from reconcile.errors import LedgerError
from reconcile.ledger import Ledger

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


def test_session_begins_at_its_first_statement(ledger):
    """A session that was opened and not used holds nobody up; one that has written is undone unless committed."""
    with ledger.session() as session:
        with ledger.write() as tx:
            tx.connection.execute(ADD, {"topic": "a"})
        session.connection().execute(ADD, {"topic": "b"})
    assert topics(ledger) == ["a"]


def test_many_threads_share_a_ledger(ledger):
    """Every thread's writes are there, whoever wrote at the same time."""
    errors = []

    def work(thread):
        try:
            for n in range(20):
                with ledger.write() as tx:
                    tx.connection.execute(ADD, {"topic": f"{thread}-{n}"})
                with ledger.read() as tx:
                    tx.connection.execute(TOPICS).all()
        except LedgerError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(topics(ledger)) == 160


def test_clock_of_a_file_is_the_injected_one(sqlite_databases, tmp_path):
    """C15: a ledger of one machine tells the time it was given."""
    clock = ManualClock()
    with sqlite_databases.fresh(tmp_path) as url:
        ledger = Ledger.open(url, clock)
        clock.advance(60)
        with ledger.read() as tx:
            assert (tx.now, ledger.now()) == (clock.now(), clock.now())
        ledger.close()


def test_clock_of_a_server_is_its_own(postgresql_databases, tmp_path):
    """C15: machines that share a ledger share its clock, whatever theirs say."""
    clock = ManualClock()
    with postgresql_databases.fresh(tmp_path) as url:
        ledger = Ledger.open(url, clock)
        with ledger.write() as tx:
            first = tx.now
        assert first > clock.now() + timedelta(days=1)
        assert ledger.now() > first
        assert first.utcoffset() == timedelta(0)
        ledger.close()
