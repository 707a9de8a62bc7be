"""A PostgreSQL that answers nothing: frozen, or behind a network that swallows what is sent."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text
from support.proxy import proxied

from reconcile.clock import SystemClock
from reconcile.errors import ConfigError, LedgerError
from reconcile.ledger import Ledger, postgresql
from reconcile.ledger.app_record import of_query
from reconcile.ledger.errors import OutcomeUnknown

#: Far more than it takes to notice, far less than for ever.
SOON = 10


@pytest.fixture
def behind(postgresql_databases, tmp_path):
    """A ledger behind a proxy, and the proxy."""
    with postgresql_databases.fresh(tmp_path) as url, proxied(url) as proxy:
        ledger = Ledger.open(proxy.url, SystemClock())
        yield ledger, proxy
        ledger.close()


def number(tx):
    return tx.connection.execute(text("select count(*) from reconcile_run")).scalar_one()


def test_a_server_that_falls_silent_is_not_waited_for_without_end(behind, monkeypatch):
    """L6: a statement that nobody answers ends as a ledger that is away, and the next one has a new connection."""
    ledger, proxy = behind
    monkeypatch.setattr(postgresql, "PATIENCE", 0.5)
    began = time.monotonic()

    def ask():
        with ledger.read() as tx:
            number(tx)
            proxy.open.clear()
            number(tx)

    with pytest.raises(LedgerError, match=r"connection to the server was lost, nothing lost, safe to re-run .*0\.5 s"):
        ask()
    assert time.monotonic() - began < SOON
    proxy.open.set()
    with ledger.read() as tx:
        assert number(tx) == 0


def test_a_commit_that_nobody_answers_is_unknown(behind, monkeypatch):
    """L6: it may have been done before the silence, so that is what is said."""
    ledger, proxy = behind
    monkeypatch.setattr(postgresql, "PATIENCE", 0.5)

    def commit():
        with ledger.write() as tx:
            tx.connection.execute(text("create table app (n int)"))
            proxy.open.clear()

    with pytest.raises(OutcomeUnknown, match="safe to re-run"):
        commit()


def test_a_statement_that_takes_its_time_is_waited_for(behind, monkeypatch):
    """A server at work is not a silent one: its own limit ends a statement, and a handler's statements end with it."""
    ledger, _ = behind
    monkeypatch.setattr(postgresql, "PATIENCE", 5.0)
    with ledger.read() as tx:
        tx.connection.execute(text("select pg_sleep(0.3)"))
    monkeypatch.setattr(postgresql, "PATIENCE", 0.2)
    with ledger.session() as session:
        session.connection().execute(text("select pg_sleep(0.6)"))


def test_an_apps_own_table_that_falls_silent_stops_the_run(postgresql_databases, tmp_path, monkeypatch):
    """Without its answer nothing can be called missed, so it is said (exit 2) and nothing is recorded."""
    with postgresql_databases.fresh(tmp_path) as url, proxied(url) as proxy:
        asked = of_query("shop", proxy.url, "select k from (values ('a'), ('b')) as own (k) where k in :keys")
        assert asked(["a", "c"]) == {"a"}
        monkeypatch.setattr(postgresql, "PATIENCE", 0.3)
        asked(["a"])  # the connection has learnt how long it may take
        proxy.open.clear()
        with pytest.raises(ConfigError, match="shop: the query of `recorded:` failed"):
            asked(["a"])
