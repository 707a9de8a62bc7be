"""A process that forks after it has opened a ledger, as application servers do that load first."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from sqlalchemy import text

from reconcile.clock import SystemClock
from reconcile.ledger import Ledger

ADD = text("insert into reconcile_run (id, started_at, report) values (:id, 1, :report)")
LONG = 30  # seconds


def add(ledger, id_):
    with ledger.write() as tx:
        tx.connection.execute(ADD, {"id": id_, "report": b""})


def ids(ledger):
    with ledger.read() as tx:
        return list(tx.connection.execute(text("select id from reconcile_run order by id")).scalars())


def forked(do) -> int:
    """Do something in a child that ends with it; its status, 0 if nothing was raised."""
    child = os.fork()
    if child == 0:
        signal.alarm(LONG)
        status = 1
        try:
            do()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


@pytest.fixture
def opened(ledger_url):
    """A ledger of every engine, with a connection of each kind in its pools."""
    ledger = Ledger.open(ledger_url, SystemClock())
    add(ledger, "parent")
    yield ledger
    ledger.close()


def test_a_forked_child_has_its_own_connections(opened):
    """H6: on a connection of both, one would take the answer to the other's commit for its own."""
    pool = opened._engines.writer.pool

    def child():
        assert opened._engines.writer.pool is not pool
        assert opened._engines.writer.pool.checkedin() == 0
        add(opened, "child")

    assert forked(child) == 0
    assert opened._engines.writer.pool is pool
    add(opened, "parent again")
    assert ids(opened) == ["child", "parent", "parent again"]


def test_a_forked_child_waits_for_no_turn_of_its_parents(opened):
    """A thread that was writing at that moment is not there any more to give its turn back."""
    writing, go_on = threading.Event(), threading.Event()

    def hold():
        with opened._turn():
            writing.set()
            go_on.wait(LONG)

    thread = threading.Thread(target=hold)
    thread.start()
    writing.wait(LONG)
    status = forked(lambda: add(opened, "child"))
    go_on.set()
    thread.join()
    assert (status, ids(opened)) == (0, ["child", "parent"])
