"""What a failing disk, server or neighbour does to a ledger: a clear word, nothing half-written, and it goes on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import threading

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ResourceClosedError
from support.ledgers import elsewhere, later

from reconcile.clock import SystemClock
from reconcile.errors import LeaseLost, LedgerError
from reconcile.ledger import Ledger, leases, sqlite, subjects
from reconcile.ledger.errors import OutcomeUnknown
from reconcile.ledger.leases import Holder
from reconcile.model import Subject

ADD = text("insert into reconcile_run (id, started_at, report) values (:id, 1, :report)")
COUNT = text("select count(*) from reconcile_run")
SAFE = "nothing lost, safe to re-run"


@pytest.fixture
def file(sqlite_databases, tmp_path):
    """The path of a fresh SQLite ledger."""
    with sqlite_databases.fresh(tmp_path) as url:
        yield url.removeprefix("sqlite:///")


@pytest.fixture
def on_sqlite(file):
    """A fresh SQLite ledger."""
    opened = Ledger.open(f"sqlite:///{file}", SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def on_postgresql(postgresql_databases, tmp_path):
    """A fresh PostgreSQL ledger."""
    with postgresql_databases.fresh(tmp_path) as url:
        opened = Ledger.open(url, SystemClock())
        yield opened
        opened.close()


def add(ledger, id_, size=1):
    with ledger.write() as tx:
        tx.connection.execute(ADD, {"id": id_, "report": b"x" * size})


def count(ledger):
    with ledger.read() as tx:
        return tx.connection.execute(COUNT).scalar_one()


def kill_sessions(ledger):
    """End every other session of the ledger's database, as a restart or failover does."""
    url = ledger.url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_writer_elsewhere_is_waited_for_then_said(file, monkeypatch):
    """A second process in BEGIN IMMEDIATE makes us wait, then leave with exit code 5; reads go on meanwhile."""
    monkeypatch.setattr(sqlite, "BUSY_MS", 200)
    holds = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
    holds += "print('held', flush=True); input(); c.execute('ROLLBACK')"
    child = subprocess.Popen(
        [sys.executable, "-c", holds, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    ledger = Ledger.open(f"sqlite:///{file}", SystemClock())
    with pytest.raises(LedgerError, match=f"locked.*{SAFE}") as caught:
        add(ledger, "a")
    assert caught.value.exit_code == 5
    assert count(ledger) == 0
    child.communicate("\n")
    add(ledger, "a")
    assert count(ledger) == 1
    ledger.close()


def test_full_disk_leaves_nothing(on_sqlite):
    """L6: a write that finds no room leaves no part of itself, says so, and the ledger works again after."""
    with on_sqlite.write() as tx:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")

    def two():
        with on_sqlite.write() as tx:
            tx.connection.execute(ADD, {"id": "small", "report": b""})
            tx.connection.execute(ADD, {"id": "large", "report": b"x" * 100_000})

    with pytest.raises(LedgerError, match=f"ledger: no space, {SAFE}"):
        two()
    assert count(on_sqlite) == 0
    with on_sqlite.write() as tx:
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
    two()
    assert count(on_sqlite) == 2


def test_file_size_limit_leaves_nothing(file):
    """L6: a disk that refuses bytes half-way through a commit ends the program with words, and the file is whole."""
    program = textwrap.dedent(f"""
        import resource, signal
        from sqlalchemy import text
        from reconcile.clock import SystemClock
        from reconcile.errors import LedgerError
        from reconcile.ledger import Ledger
        ledger = Ledger.open("sqlite:///{file}", SystemClock())
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        written = 0
        try:
            while True:
                with ledger.write() as tx:
                    tx.connection.execute(
                        text("insert into reconcile_run (id, started_at, report) values (:i, 1, zeroblob(20000))"),
                        {{"i": str(written)}},
                    )
                written += 1
        except LedgerError as error:
            print(written, error)
        """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    written, _, message = done.stdout.partition(" ")
    assert SAFE in message
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("select count(*) from reconcile_run").fetchone() == (int(written),)
    assert int(written) > 0
    connection.close()


def test_killed_in_mid_transaction_leaves_nothing(file):
    """L3: kill -9 before a commit leaves no part of it and no lock behind."""
    program = textwrap.dedent(f"""
        import os, signal
        from sqlalchemy import text
        from reconcile.clock import SystemClock
        from reconcile.ledger import Ledger
        ledger = Ledger.open("sqlite:///{file}", SystemClock())
        add = text("insert into reconcile_run (id, started_at, report) values (:i, 1, x'')")
        with ledger.write() as tx:
            tx.connection.execute(add, {{"i": "kept"}})
        with ledger.write() as tx:
            tx.connection.execute(add, {{"i": "gone"}})
            os.kill(os.getpid(), signal.SIGKILL)
        """)
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    ledger = Ledger.open(f"sqlite:///{file}", SystemClock())
    add(ledger, "next")
    with ledger.read() as tx:
        found = list(tx.connection.execute(text("select id from reconcile_run order by id")).scalars())
        assert tx.connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    ledger.close()
    assert found == ["kept", "next"]


def test_connection_lost_in_mid_transaction(on_postgresql):
    """A server that ends our session takes the transaction back; the next one gets a new connection by itself."""

    def cut():
        with on_postgresql.write() as tx:
            tx.connection.execute(ADD, {"id": "a", "report": b""})
            kill_sessions(on_postgresql)
            tx.connection.execute(COUNT)

    with pytest.raises(LedgerError, match=f"ledger: .*connection.*{SAFE}") as caught:
        cut()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert count(on_postgresql) == 0
    add(on_postgresql, "b")
    assert count(on_postgresql) == 1


def test_connection_lost_between_transactions(on_postgresql):
    """A restart of the server between two transactions is not noticed."""
    add(on_postgresql, "a")
    kill_sessions(on_postgresql)
    add(on_postgresql, "b")
    assert count(on_postgresql) == 2


def test_lost_answer_to_a_commit_is_unknown(on_postgresql):
    """A commit whose answer never came is called what it is: stored whole or not at all, and nobody knows yet."""

    def cut():
        with on_postgresql.write() as tx:
            tx.connection.execute(ADD, {"id": "a", "report": b""})
            kill_sessions(on_postgresql)

    with pytest.raises(OutcomeUnknown, match=r"unknown outcome: .* whole or not at all; safe to re-run"):
        cut()


def test_refused_commit_is_not_unknown(on_postgresql):
    """A commit that the server itself refuses has a known outcome: nothing."""
    with on_postgresql.write() as tx:
        tx.connection.exec_driver_sql("create table pairs (id int primary key deferrable initially deferred)")

    def twice():
        with on_postgresql.write() as tx:
            tx.connection.exec_driver_sql("insert into pairs values (1), (1)")

    with pytest.raises(LedgerError, match=SAFE) as caught:
        twice()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert "DETAIL" not in str(caught.value)


def test_lock_of_another_is_not_waited_for_without_end(on_postgresql):
    """A row somebody else keeps locked is waited for up to the lock timeout, then said."""
    with on_postgresql.write() as tx:
        subjects.lock(tx, "shop", [Subject("order", "1")])

    def blocked():
        with on_postgresql.write() as other:
            other.connection.exec_driver_sql("set local lock_timeout = 100")
            subjects.lock(other, "shop", [Subject("order", "1")])

    with on_postgresql.write() as tx:
        subjects.lock(tx, "shop", [Subject("order", "1")])
        with pytest.raises(LedgerError, match=f"kept a row locked.*{SAFE}"):
            blocked()


def test_bound_values_never_show(ledger):
    """X1: an error of a statement names no value that was bound to it."""
    add(ledger, "a")

    def again():
        with ledger.write() as tx:
            tx.connection.execute(ADD, {"id": "a", "report": b"hunter2"})

    with pytest.raises(LedgerError) as caught:
        again()
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_all_connections_in_use_is_said(ledger, monkeypatch):
    """A program that has leaked every connection gets a word, not a hang."""
    pool = ledger._engines.reader.pool
    monkeypatch.setattr(pool, "_timeout", 0.01)
    held = [ledger._engines.reader.connect() for _ in range(pool.size() + pool._max_overflow)]
    with pytest.raises(LedgerError, match="every connection is in use"), ledger.read():
        pass
    for connection in held:
        connection.close()


def test_writers_of_one_process_queue(on_sqlite, monkeypatch):
    """Threads that write take turns, and one that is kept out too long is told so."""
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    with on_sqlite.write() as tx:
        tx.connection.execute(ADD, {"id": "a", "report": b""})
        with pytest.raises(LedgerError, match=f"this program kept the database locked.*{SAFE}"):
            add(on_sqlite, "b")
    add(on_sqlite, "b")
    assert count(on_sqlite) == 2


def test_a_bug_is_not_called_a_database_error(ledger):
    """A misuse of ours keeps its own type, so that it exits as a bug and not as an unavailable ledger."""
    with ledger.write() as tx:
        connection = tx.connection
    with pytest.raises(ResourceClosedError):
        connection.execute(COUNT)


def test_takeover_fences_the_old_holder_out(ledger):
    """L1: while a holder writes under its lease nobody takes it; once taken, the old holder's next write fails."""
    with ledger.write() as tx:
        old = leases.acquire(tx, "shop", "backfill", elsewhere())
    order, inside, taken = [], threading.Event(), threading.Event()

    def take_over():
        inside.wait()
        with ledger.write() as tx:
            leases.acquire(later(tx, 31), "shop", "backfill", Holder.me())
            order.append("taken")
        taken.set()

    thread = threading.Thread(target=take_over)
    thread.start()
    with ledger.write() as tx:
        leases.check(tx, old)
        inside.set()
        assert not taken.wait(0.3)
        order.append("written")
    thread.join()
    assert order == ["written", "taken"]
    with pytest.raises(LeaseLost), ledger.write() as tx:
        leases.check(tx, old)


def test_two_runners_at_once_one_holds(ledger):
    """L1: of many that ask for a free lease at the same moment exactly one gets it."""
    barrier, won, busy = threading.Barrier(4), [], []

    def ask():
        holder = Holder.me()
        barrier.wait()
        try:
            with ledger.write() as tx:
                won.append(leases.acquire(tx, "shop", "backfill", holder))
        except leases.Busy as error:
            busy.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(busy)) == (1, 3)


def test_subject_lock_makes_the_second_wait(ledger):
    """H4: whoever records a subject second sees what the first committed."""
    subject, locked, seen = Subject("order", "1"), threading.Event(), []

    def second():
        locked.wait()
        with ledger.write() as tx:
            subjects.lock(tx, "shop", [subject])
            seen.extend(subjects.in_window(tx, "shop", "order", 0, 99))

    thread = threading.Thread(target=second)
    thread.start()
    with ledger.write() as tx:
        subjects.lock(tx, "shop", [subject])
        locked.set()
        thread.join(0.3)
        assert thread.is_alive()
        subjects.raise_versions(tx, "shop", [(subject, 7)])
    thread.join()
    assert seen == [("1", 7)]


def test_crossing_pages_do_not_deadlock(ledger):
    """Two pages naming the same subjects in opposite order are recorded one after the other."""
    names = [Subject("order", str(n)) for n in range(200)]
    errors = []

    def record(page):
        try:
            for _ in range(5):
                with ledger.write() as tx:
                    subjects.lock(tx, "shop", page)
                    subjects.raise_versions(tx, "shop", [(subject, 1) for subject in page])
        except LedgerError as error:
            errors.append(error)

    threads = [threading.Thread(target=record, args=(page,)) for page in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
