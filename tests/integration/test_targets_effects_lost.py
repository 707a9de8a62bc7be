"""Exactly once when the database itself fails: lost answers to COMMIT, a full disk, a locked ledger."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from support.clock import ManualClock
from support.effects import claimed, effects
from support.rows import outcomes, states

from reconcile.ledger import Ledger
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import LoadedHandler
from reconcile.targets.model import Verdict


def writes(event, session):
    """A handler with an effect."""
    session.connection().execute(text("insert into app_effect (note) values (:note)"), {"note": event.id})


def deliver(ledger, job, handler=writes):
    """One call in our own process."""
    target = InProcessTarget(LoadedHandler(handler), ManualClock(), ledger.session)
    target.submit([job])
    (outcome,) = target.outcomes(0.0)
    return outcome


@pytest.fixture
def postgresql(postgresql_databases, tmp_path):
    """A ledger on PostgreSQL."""
    with postgresql_databases.fresh(tmp_path) as url:
        opened = Ledger.open(url, ManualClock())
        yield opened
        opened.close()


@pytest.fixture
def sqlite(sqlite_databases, tmp_path):
    """A ledger on SQLite."""
    with sqlite_databases.fresh(tmp_path) as url:
        opened = Ledger.open(url, ManualClock())
        yield opened
        opened.close()


def cut_connection(ledger, monkeypatch, *, done):
    """Let the server end the backend of the next COMMIT, before it is `done` or after; the driver sees it break."""
    dialect, engine = ledger._engines.writer.dialect, ledger._engines.writer
    commit = dialect.do_commit

    def break_off(fairy):
        driver = fairy.driver_connection
        monkeypatch.setattr(dialect, "do_commit", commit)
        if done:
            commit(fairy)
        with engine.connect() as other:
            other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": driver.info.backend_pid})
        driver.execute("select 1")

    monkeypatch.setattr(dialect, "do_commit", break_off)


def test_a_commit_whose_answer_is_lost_is_read_back(postgresql, monkeypatch):
    """H2: the commit was done before the connection broke: the row says so, and the event counts as handled."""
    (job,) = claimed(postgresql, ["t"])
    cut_connection(postgresql, monkeypatch, done=True)
    outcome = deliver(postgresql, job)
    assert (outcome.verdict, outcome.marked) == (Verdict.HANDLED, True)
    assert (states(postgresql, job.seq), effects(postgresql)) == (["handled"], [job.event.id])
    assert outcomes(postgresql, job.seq) == ["handled"]


def test_a_commit_that_was_not_done_is_a_failure(postgresql, monkeypatch):
    """H2: the connection broke before the commit: nothing is there, and the event is tried again."""
    (job,) = claimed(postgresql, ["t"])
    cut_connection(postgresql, monkeypatch, done=False)
    outcome = deliver(postgresql, job)
    assert (outcome.verdict, outcome.marked) == (Verdict.FAILED, False)
    assert "the server ended the connection" in outcome.error
    assert (states(postgresql, job.seq), effects(postgresql)) == (["claimed"], [])
    assert deliver(postgresql, job).marked


def test_a_commit_nobody_can_ask_about(postgresql, monkeypatch):
    """When the server stays away the outcome is unknown: neither handled nor failed is claimed."""
    (job,) = claimed(postgresql, ["t"])
    cut_connection(postgresql, monkeypatch, done=True)
    url = postgresql._engines.writer.url
    monkeypatch.setattr("reconcile.ledger.effects._standing", lambda *_: create_engine(url.set(port=1)).connect())
    outcome = deliver(postgresql, job)
    assert outcome.verdict is Verdict.LOST
    assert outcome.error.startswith("whether the effect was committed is not known")


def test_a_full_disk_keeps_nothing(sqlite):
    """L6: SQLite undoes the whole transaction then; a handler that swallows the error has not succeeded."""
    (job,) = claimed(sqlite, ["t"])

    def swallows(event, session):
        writes(event, session)
        connection = session.connection()
        pages = connection.exec_driver_sql("pragma page_count").scalar()
        connection.exec_driver_sql(f"pragma max_page_count = {pages}")
        with contextlib.suppress(OperationalError):
            connection.exec_driver_sql("insert into app_effect values (hex(randomblob(500000)))")
        with contextlib.suppress(SQLAlchemyError):
            connection.exec_driver_sql("insert into app_effect values ('alone')")

    outcome = deliver(sqlite, job, swallows)
    assert outcome.verdict is Verdict.FAILED
    assert "a database error that had ended its transaction" in outcome.error
    assert effects(sqlite) == []
    assert states(sqlite, job.seq) == ["claimed"]


def test_a_locked_ledger_does_not_undo_what_happened_elsewhere(sqlite):
    """A handler that never touched its session is done; if its mark cannot be written, the dispatcher marks."""
    (job,) = claimed(sqlite, ["t"])
    with sqlite._engines.writer.connect() as connection:  # the pool's one connection, used again below
        connection.connection.driver_connection.execute("pragma busy_timeout = 1")
    with contextlib.closing(sqlite3.connect(sqlite.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("begin immediate")
        outcome = deliver(sqlite, job, lambda event, session: None)
        other.execute("rollback")
    assert (outcome.verdict, outcome.marked, outcome.error) == (Verdict.HANDLED, False, "")
    assert states(sqlite, job.seq) == ["claimed"]
