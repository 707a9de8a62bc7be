"""Fixtures every tier may use: a ledger on each engine the code speaks, found by enumeration."""

from __future__ import annotations

import pytest
from support import postgres
from support.cli import Project
from support.clock import ManualClock
from support.databases import PostgresqlMaker, SqliteMaker
from support.dispatching import World
from support.rows import add_event

from reconcile.clock import SystemClock
from reconcile.ledger import Ledger
from reconcile.ledger.engine import ENGINES

#: Left to CI, so that the README's command stays short. Processes killed, on every engine, ...
KILLING = ("test_crash_sweep", "test_dispatch_crashes", "test_recovery")
#: ... the installed executable started again and again, ...
STARTING = (
    "test_cli_alerts",
    "test_cli_exit_codes",
    "test_cli_operate",
    "test_cli_secrets",
    "test_cli_signals",
    "test_cli_subscriptions",
    "test_daemon",
    "test_deploy",
    "test_first_contact",
    "test_gateway",
    "test_serve",
    "test_transactions",
)
#: ... and what SQLite has shown already.
ONCE_MORE = ("test_run_faults", "test_run_ledger_faults", "test_targets_exactly_once")
PROCESSES = ("acceptance", "integration")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what only CI runs."""
    for item in items:
        name, folder = item.path.stem, item.path.parent.name
        kills = name in KILLING and any(engine in item.name for engine in ENGINES)
        again = name in ONCE_MORE and "postgresql" in item.name
        if kills or again or (name in STARTING and folder in PROCESSES):
            item.add_marker(pytest.mark.sweep)


@pytest.fixture(scope="session")
def postgres_server():
    """The maintenance URL of a real PostgreSQL; one server per worker, gone when the session ends."""
    running = postgres.server()
    try:
        url = running.__enter__()
    except postgres.NoPostgres as error:
        pytest.fail(str(error), pytrace=False)
    yield url
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory):
    """Makes SQLite ledgers."""
    return SqliteMaker(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql_databases(postgres_server):
    """Makes PostgreSQL ledgers."""
    maker = PostgresqlMaker(postgres_server)
    yield maker
    maker.close()


@pytest.fixture(params=sorted(ENGINES))
def databases(request):
    """The maker of one engine; a new engine without one fails here, loudly."""
    return request.getfixturevalue(f"{request.param}_databases")


@pytest.fixture
def ledger_url(databases, tmp_path):
    """The URL of a fresh, upgraded ledger."""
    with databases.fresh(tmp_path) as url:
        yield url


@pytest.fixture
def empty_url(databases, tmp_path):
    """The URL of a database without a table."""
    with databases.empty(tmp_path) as url:
        yield url


@pytest.fixture
def ledger(ledger_url):
    """A fresh ledger, on every engine in turn."""
    opened = Ledger.open(ledger_url, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def add(ledger):
    """Insert events in one commit; their seqs."""

    def add_all(*rows):
        with ledger.write() as tx:
            return [add_event(tx, **row) for row in rows]

    return add_all


@pytest.fixture
def project(tmp_path):
    """An empty project folder for the installed executable."""
    return Project(tmp_path)


@pytest.fixture
def world(sqlite_databases, tmp_path):
    """A dispatcher's world in virtual time."""
    clock = ManualClock()
    with sqlite_databases.fresh(tmp_path) as url:
        opened = Ledger.open(url, clock)
        yield World(opened, clock)
        opened.close()
