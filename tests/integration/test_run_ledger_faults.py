"""What a run says and keeps when its ledger fails, is busy, or is taken by another runner, on every engine."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from support.cli import EXECUTABLE, Project, shop
from support.ledgers import elsewhere, later
from support.running import Bench, a_bench, at_failpoint, stream_of
from support.shops import ORDERS, PAGE, add_shops, each_once

from connectors.shopify import listing
from reconcile.errors import LedgerError
from reconcile.ledger import leases, sqlite
from reconcile.ledger.integrity import problems
from reconcile.reading.record import LedgerRecorder
from reconcile.reading.recorder import OpenWindow

pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def bench(databases, tmp_path):
    """A shop of 18 orders of the last day, on every engine: the database's own clock cannot be moved."""
    with a_bench(databases, tmp_path, datetime.now(UTC) - timedelta(hours=10)) as made:
        yield add_shops(made, "shop")


@pytest.fixture
def on_sqlite(empty):
    """The same in a file."""
    return add_shops(empty, "shop")


def sound(made: Bench) -> bool:
    """L3: the ledger needs no repair."""
    with made.ledger.read() as tx:
        return problems(tx) == []


def test_a_full_disk_ends_the_run_and_costs_nothing_that_was_committed(on_sqlite):
    """L6: exit 5 with a word that says what to do; pages before are whole, and with room again all is made good."""

    def fill() -> None:
        with on_sqlite.ledger.write() as tx:
            pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
            tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with at_failpoint("page.before_commit", fill, nth=2):
        report = on_sqlite.run()
    assert report.exit_code == 5
    told = stream_of(report, "shop")
    assert not told.covered
    assert "no space" in told.error
    assert len(on_sqlite.recorded("shop")) == PAGE
    with on_sqlite.ledger.write() as tx:
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
    assert sound(on_sqlite)
    assert on_sqlite.run().exit_code == 0
    assert each_once(on_sqlite)


def test_a_file_that_may_not_grow_ends_the_program_with_exit_5(tmp_path):
    """L6: the real program under a file size limit says so, leaves a whole file, and goes on when the limit is gone."""
    project = Project(tmp_path)
    with shop(project, orders=ORDERS) as fake:
        project.run("status")
        for _ in range(40):
            fake.create_order(note="x" * 20_000)
        fake.clock.advance(600)
        limit = 500_000  # bytes of any file it writes
        done = subprocess.run(
            [EXECUTABLE, "run", "--since", "1d", "--force", "--json"],
            cwd=tmp_path,
            env=project.environ(),
            check=False,
            capture_output=True,
            text=True,
            timeout=90,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        report = json.loads(done.stdout)
        assert done.returncode == report["exit_code"] == 5, done.stderr
        assert "safe to re-run" in done.stdout
        assert "Traceback" not in done.stderr
        with sqlite3.connect(tmp_path / "reconcile.db") as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        again = project.json("run", "--since", "1d", "--force")
    assert again["returned"] in (0, 3)
    assert len(project.effects()) == len(set(project.effects()))
    assert len(project.effects()) >= ORDERS


def test_a_ledger_locked_by_another_program_is_waited_for_then_said(on_sqlite, monkeypatch, tmp_path):
    """Exit 5 after the busy timeout; pages before are kept, and it goes on as soon as the lock is gone."""
    monkeypatch.setattr(sqlite, "BUSY_MS", 200)
    on_sqlite.ledger.close()
    on_sqlite.__post_init__()
    other = sqlite3.connect(on_sqlite.url.removeprefix("sqlite:///"), isolation_level=None)
    with at_failpoint("page.before_commit", lambda: other.execute("BEGIN IMMEDIATE"), nth=2):
        report = on_sqlite.run()
    assert report.exit_code == 5
    assert "locked" in stream_of(report, "shop").error
    other.execute("ROLLBACK")
    assert len(on_sqlite.recorded("shop")) == PAGE
    on_sqlite.clock.advance(31)  # the lease could not be given back either: it runs out
    assert on_sqlite.run().exit_code == 0
    assert each_once(on_sqlite)
    other.close()


@pytest.mark.parametrize("place", ["page.fetched", "page.before_commit", "valve.before_release"])
def test_a_lost_lease_lets_nothing_more_be_written(bench, place):
    """L1: another runner took over; the first abandons its work with exit 75, and its fence is refused everywhere."""

    def take() -> None:
        with bench.ledger.write() as tx:
            leases.acquire(later(tx, 60), "shop", "backfill", elsewhere())

    with at_failpoint(place, take, nth=2 if place.startswith("page") else 1):
        report = bench.run("backfill")
    assert report.exit_code == 75
    assert "taken by another runner" in stream_of(report, "shop").error
    assert not stream_of(report, "shop").covered
    assert len(bench.recorded("shop")) == (PAGE if place.startswith("page") else ORDERS)
    assert {state for *_, state in bench.recorded("shop")} == {"held"}
    with bench.ledger.write() as tx:
        leases.release(tx, leases.acquire(later(tx, 3600), "shop", "backfill", elsewhere()))
    assert bench.run().exit_code == 0
    assert each_once(bench)


@pytest.mark.parametrize("threads", [0, 3])
def test_a_ledger_that_fails_as_a_window_is_cut_is_exit_5(on_sqlite, monkeypatch, threads):
    """L6: no thread ends in silence: the rest of the stream was not read, and the report says why."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 1)
    on_sqlite.threads = threads

    def fail(_recorder: LedgerRecorder, _opened: OpenWindow) -> None:
        raise LedgerError("ledger: no space")

    with monkeypatch.context() as patched:
        patched.setattr(LedgerRecorder, "leave", fail)
        report = on_sqlite.run("backfill", force=True)
    assert (report.exit_code, stream_of(report, "shop").error) == (5, "ledger: no space")
    assert on_sqlite.run(force=True).exit_code == 0
    assert each_once(on_sqlite)


def test_a_source_held_elsewhere_is_busy_and_the_other_is_done(databases, tmp_path):
    """L1: exit 75 names the holder; another source of the same configuration does not wait for it."""
    with a_bench(databases, tmp_path, datetime.now(UTC) - timedelta(hours=10)) as made:
        add_shops(made, "held", "free")
        with made.ledger.write() as tx:
            leases.acquire(tx, "held", "backfill", elsewhere())
        report = made.run()
        assert report.exit_code == 75
        assert "far.example" in "".join(report.errors)
        assert not stream_of(report, "held").covered
        assert stream_of(report, "free").covered
        assert each_once(made, "free")
        assert made.handled("held") == {}


def end_sessions(url: str) -> None:
    """End every session of a database, as a restart or failover does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("threads", [0, 3])
@pytest.mark.parametrize(
    "place", ["window.opened", "page.fetched", "page.before_commit", "page.committed", "window.before_cover",
              "valve.before_release", "dispatch.claimed", "dispatch.before_mark", "run.before_finish"],
)  # fmt: skip
def test_a_server_that_ends_our_sessions_costs_at_most_this_run(postgresql_databases, tmp_path, place, threads):
    """A restart in mid-run is survived or ends in exit 5, never in a bug; the next run has everything, once each."""
    with a_bench(postgresql_databases, tmp_path, datetime.now(UTC) - timedelta(hours=10), threads=threads) as made:
        add_shops(made, "shop")
        with at_failpoint(place, lambda: end_sessions(made.url)) as reached:
            report = made.run()
        assert place in reached
        assert report.exit_code in (0, 5)
        if report.exit_code == 5:
            said = [*report.errors, *(one.error for one in report.streams if one.error)]
            assert any("safe to re-run" in one for one in said), said
        assert sound(made)
        assert made.run().exit_code == 0
        assert each_once(made)


@pytest.mark.parametrize("place", ["page.before_commit", "window.before_cover", "page.fetched"])
def test_sessions_ended_while_a_transaction_is_open_undo_it_whole(postgresql_databases, tmp_path, place, monkeypatch):
    """C3: a page is stored whole or not at all, whatever happens between its statements and its commit."""
    with a_bench(postgresql_databases, tmp_path, datetime.now(UTC) - timedelta(hours=10)) as made:
        add_shops(made, "shop")
        check = leases.check

        def check_then_lose(tx, lease) -> None:
            check(tx, lease)
            monkeypatch.setattr(leases, "check", check)
            end_sessions(made.url)

        def arm() -> None:
            monkeypatch.setattr(leases, "check", check_then_lose)

        with at_failpoint(place, arm):
            report = made.run()
        assert report.exit_code == 5
        assert not stream_of(report, "shop").covered
        assert len(made.recorded("shop")) % PAGE in (0, ORDERS % PAGE)
        assert made.run().exit_code == 0
        assert each_once(made)
