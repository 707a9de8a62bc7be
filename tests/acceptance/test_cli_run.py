"""`reconcile run` and `baseline` with the installed executable: what is delivered, said, and left alone."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from support.cli import SOURCE, shop
from support.recovery import PAYMENT_TOPICS, SHOP_TOPICS, Providers, service

from reconcile.ledger import leases
from reconcile.ledger.leases import Holder


def test_a_first_run_delivers_what_was_lost_and_a_second_does_nothing(project):
    """Every lost event reaches the handler once; running the same window again calls nobody (C2, H12)."""
    with shop(project, orders=4):
        report = project.json("run", "--since", "1d")
        assert report["returned"] == report["exit_code"] == 0
        (stream,) = report["streams"]
        classes = ("gap", "backfilled", "pending", "superseded", "already_handled", "filtered")
        assert stream["listed"] == sum(stream[name] for name in classes) == 4
        assert stream["covered"]
        effects = project.effects()
        assert sorted(line.split()[0] for line in effects) == ["orders/create"] * 4
        again = project.run("run", "--since", "1d")
        assert again.returncode == 0
        assert project.effects() == effects
        assert "everything asked for is covered" in again.stdout


def test_the_resolved_window_and_progress_go_to_stderr(project):
    """The result, on stdout, is a table and what the exit code means."""
    with shop(project, orders=1):
        done = project.run("run", "--since", "2024-01-01", "--until", "2024-02-01")
    assert "since 2024-01-01T00:00:00Z until 2024-02-01T00:00:00Z (UTC)" in done.stderr
    assert "acme-shop orders: 0 listed" in done.stderr
    assert done.stdout.startswith("stream ")
    assert "(exit 0)" in done.stdout


def test_a_dry_run_says_what_would_be_done_and_does_nothing(project):
    """No handler is called, no request changes anything, and the next run finds all of it (S5)."""
    with shop(project, orders=3) as fake:
        would = project.json("run", "--since", "1d", "--dry-run")
        assert would["dry_run"]
        assert would["streams"][0]["backfilled"] == 3
        plain = project.run("run", "--since", "1d", "--dry-run")
        last = "dry run, nothing was changed: run the same without --dry-run to do it (exit 3)"
        assert plain.stdout.splitlines()[-1] == last
        assert project.effects() == []
        assert {seen.method for seen in fake.requests} == {"GET"}
        assert project.json("run", "--since", "1d")["streams"][0]["backfilled"] == 3
    assert len(project.effects()) == 3


@pytest.mark.parametrize("words", [("run",), ("check",)])
def test_a_handlers_module_that_ends_its_process_does_not_end_ours(project, words):
    """A job that ends with 0 and did nothing is the worst there is: it is said, in one document, with its remedy."""
    with shop(project, orders=1):
        (project.folder / "acme.py").write_text("import os\nos._exit(0)\n")
        done = project.json(*words)
    assert done["returned"] == done["exit_code"] == 2
    assert "importing acme failed: the worker ended with status 0" in json.dumps(done)


def test_what_the_apps_record_prints_is_not_the_result(project):
    """One document on stdout and nothing else: an app's record is asked in our own process, and may print."""
    with shop(project, orders=1, handler=False):
        with (project.folder / "schedules.yaml").open("a") as file:
            file.write("    recorded: books:handled\n")
        (project.folder / "books.py").write_text("print('hello')\ndef handled(keys):\n    print(keys)\n    return []\n")
        assert project.call_json("run", "backfill", "--since", "1d")["streams"][0]["listed"] == 1


def test_an_apps_record_that_sets_up_logging_does_not_set_up_ours(project):
    """X1: what is logged after it was imported is redacted and one object a line as before."""
    with shop(project, orders=1, handler=False):
        with (project.folder / "schedules.yaml").open("a") as file:
            file.write("    recorded: diary:handled\n")
        setup = "import logging\nlogging.basicConfig(force=True, format='theirs %(message)s', level='INFO')\n"
        (project.folder / "diary.py").write_text(f"{setup}def handled(keys):\n    return []\n")
        done = project.call("--log-format", "json", "run", "backfill", "--since", "1d")
    lines = done.stderr.splitlines()
    assert any("run.finished" in line for line in lines)
    assert [line for line in lines if not line.startswith("{")] == []


def test_a_baseline_calls_no_handler(project):
    """What existed before is recorded as handled; only what comes later is missed."""
    with shop(project, orders=3) as fake:
        done = project.run("baseline", "--since", "1d")
        assert done.returncode == 0
        assert "acme-shop orders: 3 listed, 3 recorded" in done.stderr
        assert project.effects() == []
        fake.create_order()
        assert project.run("run", "--since", "1d").returncode == 0
    assert project.effects() == []  # it was created within `settle`: the next run's


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import nowhere", "acme-shop: handler acme:handlers: importing acme failed: ModuleNotFoundError"),
        ("from reconcile import Handlers\nhandlers = Handlers()\nhandlers.on('orders/create')(print)",
         "acme-shop: handler acme:handlers takes none of: orders/updated; register a function for it"),
    ],
)  # fmt: skip
def test_a_handler_that_cannot_be_called_is_found_before_any_request(project, module, said):
    """A fault of the configuration is said with its source, exits 2, and nothing was asked or written."""
    with shop(project) as fake:
        (project.folder / "acme.py").write_text(module)
        done = project.run("run", "--since", "1d", "--json")
        assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (2, 2)
        assert said in done.stderr
        assert fake.requests == []
        assert not (project.folder / "reconcile.db").exists()
        assert project.run("run", "backfill", "--since", "1d").returncode == 3  # which needs no handler


def test_a_refused_token_exits_4_with_a_remedy(project):
    """The provider's no is told, not taken for nothing missing (C9)."""
    with shop(project) as fake:
        fake.tokens.revoke("shpat_dummy")
        report = project.json("run", "--since", "1d")
        assert report["returned"] == report["exit_code"] == 4
        plain = project.run("run", "--since", "1d")
        assert plain.returncode == 4
        assert "acme-shop" in plain.stderr
        assert "Traceback" not in plain.stderr


def test_a_source_held_by_another_runner_exits_75(project):
    """Two runners never work on one source; the second says who has it (L1)."""
    with shop(project):
        with project.ledger() as ledger, ledger.write() as tx:
            leases.acquire(tx, SOURCE, "backfill", Holder.me())
        done = project.run("run", "backfill", "--since", "1d", "--json")
    assert done.returncode == 75
    assert f":{os.getpid()}" in "".join(json.loads(done.stdout)["errors"])


def test_json_logs_keep_stderr_to_records_with_one_line_of_counts(project):
    """Every line is an object; the last tells the run's counts."""
    with shop(project, orders=2):
        done = project.run("--log-format", "json", "run", "backfill", "--since", "1d")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    (finished,) = [line for line in lines if line["event"] == "run.finished"]
    assert [stream["listed"] for stream in finished["streams"]] == [2], finished
    assert {"stream.begin", "stream.end"} <= {line["event"] for line in lines}


def dump(project):
    """Every row of every table."""
    with contextlib.closing(sqlite3.connect(project.folder / "reconcile.db")) as connection:
        return list(connection.iterdump())


def test_a_dry_run_writes_no_row_and_changes_nothing_at_the_provider(project):
    """Before a first run and after one, it says what would be done; the ledger stays as it is, row for row (S5)."""
    with shop(project, orders=2) as fake:
        for topic in ("orders/create", "orders/updated"):
            fake.subscribe(topic, f"https://hooks.acme.example/webhooks/{SOURCE}")
        assert project.json("run", "--since", "1d", "--dry-run")["streams"][0]["backfilled"] == 2
        fresh = dump(project)
        assert not [line for line in fresh if "INSERT" in line and "version" not in line]
        assert project.run("run", "--since", "1d").returncode == 0
        fake.clock.set(datetime.now(UTC) - timedelta(minutes=30))
        fake.create_order()
        fake.clock.set(datetime.now(UTC))
        rows = dump(project)
        would = project.json("run", "--recheck", "--since", "1d", "--dry-run")
        assert (would["returned"], would["dry_run"]) == (3, True)  # something is left to do
        assert [would["streams"][0][name] for name in ("listed", "already_handled", "backfilled")] == [3, 2, 1]
        assert dump(project) == rows
        assert {seen.method for seen in fake.requests} == {"GET"}
    assert len(project.effects()) == 2


@pytest.mark.sweep
def test_source_limits_a_run_to_the_sources_named(tmp_path, sqlite_databases):
    """`--source` asks nothing of the others and calls none of their handlers."""
    providers = Providers.made(1)
    providers.live_through(40)
    providers.clock.catch_up()
    with sqlite_databases.fresh(tmp_path) as url, service(tmp_path, url, providers) as (app, _, _):
        report = app.run("--since", "1d", "--source", "payments", "--force")
        assert {one["source"] for key in ("streams", "handlers") for one in report[key]} == {"payments"}
        assert report["exit_code"] == 0
        assert providers.shop.requests == []
        assert {topic for topic, _, _ in app.effects()} == set(PAYMENT_TOPICS)
        app.run("--since", "1d", "--force")
        assert {topic for topic, _, _ in app.effects()} == {*PAYMENT_TOPICS, *SHOP_TOPICS}


@pytest.mark.sweep
def test_stream_limits_a_run_to_the_streams_named(project):
    """`--stream` reads that stream only; one that no source has is refused with the names there are."""
    with shop(project, orders=2) as fake:
        for name, old, new in (
            ("schedules.yaml", "orders/updated", "orders/updated, customers/create"),
            ("acme.py", '"orders/*"', '"*"'),
        ):
            path = project.folder / name
            path.write_text(path.read_text().replace(old, new))
        fake.clock.set(datetime.now(UTC) - timedelta(hours=1))
        fake.create_customer()
        fake.clock.set(datetime.now(UTC))
        report = project.json("run", "--since", "1d", "--stream", "customers")
        assert [one["stream"] for one in report["streams"]] == ["customers"]
        assert [line.split()[0] for line in project.effects()] == ["customers/create"]
        assert not [seen for seen in fake.requests if "orders" in seen.path]
        refused = project.json("run", "--since", "1d", "--stream", "custmers")
    assert refused["returned"] == 2
    assert "customers" in refused["error"]
