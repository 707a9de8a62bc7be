"""The installed executable, against a shop that lost deliveries."""

from __future__ import annotations

import json
import os
import stat

import pytest
from support.cli import SOURCE, shop

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


def test_init_writes_for_its_owner_and_never_twice(project):
    """The first file is private; the second call leaves it as it is."""
    assert project.run("init").returncode == 0
    path = project.folder / "schedules.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("sources: {}\n")
    again = project.run("init")
    assert again.returncode == 2
    assert "was left as it is" in again.stderr
    assert path.read_text() == "sources: {}\n"
    assert project.run("init", "--path", "other.yaml").returncode == 0


def test_init_does_not_follow_a_link(project):
    """A planted link does not make us write elsewhere."""
    (project.folder / "schedules.yaml").symlink_to(project.folder / "elsewhere")
    assert project.run("init").returncode == 2
    assert not (project.folder / "elsewhere").exists()


def test_what_init_writes_is_a_valid_configuration(project):
    """With its variables set, `check` finds nothing wrong with the file itself."""
    project.run("init")
    names = {
        "SHOPIFY_ACCESS_TOKEN": "shpat_dummy",
        "SHOPIFY_WEBHOOK_SECRET": "whsec_dummy",
        "STRIPE_API_KEY": "sk_test_dummy",
        "STRIPE_WEBHOOK_SECRET": "whsec_dummy_2",
    }
    done = project.run("status", **names)
    assert done.returncode == 0, done.stderr


def test_check_prints_lines_or_one_document(project):
    """A handler module that prints does not get into the result."""
    with shop(project):
        plain, document = project.run("check"), project.json("check")
    assert plain.returncode == document["returned"] == document["exit_code"] == 0
    assert "a handler's module may print" not in plain.stdout
    assert {line.split()[0] for line in plain.stdout.splitlines()} <= {"ok", "warn", "→"}
    assert [one["level"] for one in document["checks"]].count("ok") >= 4


def test_check_reports_a_broken_configuration_as_findings(project):
    """Every problem of the file is a line, and the exit code is 2."""
    (project.folder / "schedules.yaml").write_text("sources: {a: {connector: nope}}\nextra: 1\n")
    document = project.json("check")
    assert document["returned"] == 2
    failed = [one for one in document["checks"] if one["level"] == "FAIL"]
    assert {one["area"] for one in failed} == {"configuration"}
    assert len(failed) == 2
    assert all(one["remedy"] for one in failed)
