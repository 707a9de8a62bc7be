"""The schema: what the migrations make is what the code reads, and a ledger of another release is refused."""

from __future__ import annotations

import threading

import pytest
from alembic import op
from sqlalchemy import create_engine, inspect, text

from reconcile.clock import SystemClock
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger, migrate, upgrade
from reconcile.ledger.columns import whole_metadata
from reconcile.ledger.engine import connect

_SHAPES = {
    "sqlite": ["select type, name, tbl_name, sql from sqlite_master where name not like 'sqlite_%'"],
    "postgresql": [
        """select table_name, column_name, data_type, is_nullable, column_default from information_schema.columns
           where table_schema = 'public'""",
        "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'",
        """select conrelid::regclass::text, contype, pg_get_constraintdef(oid) from pg_constraint
           where connamespace = 'public'::regnamespace""",
    ],
}


def execute(url, *statements):
    engines = connect(url)
    with engines.writer.connect() as connection:
        connection.begin()
        rows = [connection.execute(text(statement)) for statement in statements]
        rows = [list(result) if result.returns_rows else [] for result in rows]
        connection.commit()
    engines.dispose()
    return rows


def shape(url, dialect):
    """Every table, column, index and constraint, but for the version table's; order of columns does not matter."""
    found = set()
    for rows in execute(url, *_SHAPES[dialect]):
        for row in rows:
            words = [" ".join(sorted(str(part).replace('"', "").replace(",", " ").split())) for part in row]
            if not any(upgrade.VERSION_TABLE in word for word in words):
                found.add(tuple(words))
    return found


def dialect_of(url):
    return url.partition(":")[0]


def test_migrations_make_what_the_code_reads(databases, tmp_path):
    """L4: a ledger upgraded from nothing has exactly the tables, columns and indexes of the metadata."""
    with databases.fresh(tmp_path) as upgraded, databases.empty(tmp_path) as created:
        dialect = dialect_of(upgraded)
        engines = connect(created)
        whole_metadata().create_all(engines.writer)
        engines.dispose()
        assert shape(upgraded, dialect) == shape(created, dialect)


def test_every_table_is_recognisably_ours(ledger):
    """A ledger may share a database with an application: every table of ours is called reconcile_…."""
    with ledger.read() as tx:
        names = inspect(tx.connection).get_table_names()
    assert set(names) == {*whole_metadata().tables, upgrade.VERSION_TABLE}
    assert all(name.startswith("reconcile_") for name in names)


def test_revisions_are_all_listed():
    """The list that opening a ledger compares with is the list of migrations there are."""
    assert migrate.revisions() == upgrade.REVISIONS


def test_upgrade_runs_once(empty_url):
    """L4: upgrading says from what to what, and again changes nothing."""
    newest = upgrade.REVISIONS[-1]
    assert Ledger.upgrade(empty_url, SystemClock()) == ("", newest)
    assert Ledger.upgrade(empty_url, SystemClock()) == (newest, newest)


def test_empty_ledger_is_left_alone_when_told_so(empty_url):
    """`upgrade=False` creates nothing and says which command does."""
    with pytest.raises(LedgerError, match=r"its schema \(none\) is older .* run `reconcile db upgrade`"):
        Ledger.open(empty_url, SystemClock(), upgrade=False)
    assert Ledger.upgrade(empty_url, SystemClock())[0] == ""


def test_newer_schema_is_refused(ledger_url):
    """L4: code does not touch a ledger that a later release has changed, not even by `upgrade`."""
    execute(ledger_url, "update reconcile_version set version_num = '9999'")
    for opens in (Ledger.open, Ledger.upgrade):
        with pytest.raises(LedgerError, match=r"its schema \(9999\) is newer than this program's"):
            opens(ledger_url, SystemClock())


def test_older_schema_is_refused_on_opening(ledger_url, monkeypatch):
    """L4: a ledger with data is upgraded by the operator's command only."""
    monkeypatch.setattr(upgrade, "REVISIONS", (*upgrade.REVISIONS, "0999"))
    with pytest.raises(LedgerError, match=r"older than this program's \(0999\); .* run `reconcile db upgrade`"):
        Ledger.open(ledger_url, SystemClock())


def test_half_a_migration_leaves_nothing(empty_url, monkeypatch):
    """L4: a migration that dies half-way is as if it had never begun, and runs again."""
    create, made = op.create_table, []

    def dies(name, *columns, **options):
        made.append(name)
        if len(made) == 5:
            raise KeyboardInterrupt
        return create(name, *columns, **options)

    monkeypatch.setattr(op, "create_table", dies)
    with pytest.raises(KeyboardInterrupt):
        Ledger.open(empty_url, SystemClock())
    monkeypatch.undo()
    assert len(made) == 5
    assert shape(empty_url, dialect_of(empty_url)) == set()
    Ledger.open(empty_url, SystemClock()).close()


def test_runs_of_before_their_sources_were_kept_stay(ledger_url):
    """L4: a ledger of revision 0005 keeps its runs; nobody knows for which sources they were."""
    execute(
        ledger_url,
        "drop index ix_reconcile_run_result",
        "alter table reconcile_run drop column sources",
        "alter table reconcile_run_stream drop column beside",
        "alter table reconcile_run_stream drop column unfinished",
        "create index ix_reconcile_run_result on reconcile_run (jobs, exit_code, finished_at, started_at)",
        "insert into reconcile_run (id, command, jobs, started_at, code_version, host, process_started, pid, report)"
        " values ('01', 'run', 'backfill', 5, '', '', '', 1, '{}')",
        "update reconcile_version set version_num = '0005'",
    )
    assert Ledger.upgrade(ledger_url, SystemClock()) == ("0005", upgrade.REVISIONS[-1])
    assert execute(ledger_url, "select id, jobs, sources from reconcile_run") == [[("01", "backfill", "")]]


def test_first_starts_at_the_same_time(empty_url):
    """L4: several programs that find an empty ledger at once end with one schema and no error."""
    errors, barrier = [], threading.Barrier(3)

    def start():
        try:
            barrier.wait()
            Ledger.open(empty_url, SystemClock()).close()
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_tables_of_the_application_are_left_alone(empty_url):
    """A database that is somebody else's too keeps its tables and its own migrations' version."""
    execute(
        empty_url,
        "create table orders (id text)",
        "create table alembic_version (version_num text)",
        "insert into alembic_version values ('theirs')",
    )
    Ledger.open(empty_url, SystemClock()).close()
    assert execute(empty_url, "select version_num from alembic_version") == [[("theirs",)]]


def test_metadata_is_not_the_applications():
    """A handler's models never mix with the ledger's tables."""
    from sqlmodel import SQLModel

    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    assert not [name for name in inspect(engine).get_table_names() if name.startswith("reconcile_")]
    engine.dispose()
