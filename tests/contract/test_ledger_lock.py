"""SQLite's one write lock: how it is waited for beside a process that hardly ever lets go of it."""

from __future__ import annotations

import sqlite3

import pytest

from reconcile.clock import SystemClock
from reconcile.ledger import Ledger
from reconcile.ledger import sqlite as module


@pytest.fixture
def other(tmp_path):
    """Another process's connection, which holds the write lock, and the ledger's URL."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    Ledger.open(url, SystemClock()).close()
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    connection.execute("begin immediate")
    yield connection, url
    connection.close()


def test_the_lock_is_looked_for_often(other, monkeypatch):
    """L1: a writer looks every half millisecond at first, so that it finds the short moment between two commits."""
    connection, url = other
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            connection.execute("rollback")

    ledger = Ledger.open(url, SystemClock())
    monkeypatch.setattr(module.time, "sleep", sleep)
    with ledger.write() as tx:
        tx.connection.exec_driver_sql("update reconcile_version set version_num = version_num")
        assert tx.connection.exec_driver_sql("pragma busy_timeout").scalar() == module.BUSY_MS
    assert slept == [0.0005] * 3
    ledger.close()


def test_a_long_wait_costs_little(other, monkeypatch):
    """A handler may keep the lock for as long as a call may last: then it is looked for less often."""
    connection, url = other
    now, slept = [0.0], []
    ledger = Ledger.open(url, SystemClock())

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds
        if now[0] > 1.0 and connection.in_transaction:
            connection.execute("rollback")

    monkeypatch.setattr(module.time, "sleep", sleep)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with ledger.write():
        pass
    assert slept[0] == 0.0005
    assert slept[-1] == 0.005
    assert len(slept) < 400
    ledger.close()
