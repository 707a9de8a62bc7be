"""How `reconcile run` ends, with the installed executable: every exit code for real, and what is left behind."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from support.cli import SOURCE, shop

from reconcile.ledger import leases
from reconcile.ledger.leases import Holder
from reconcile.report import RunReport
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.server import serve
from reconcile.sandbox.wire_faults import before

HANGING = """\
import threading
from pathlib import Path
from reconcile import Handlers

handlers = Handlers()

@handlers.on("*")
def take(event):
    Path(__file__).with_name("called").touch()
    threading.Event().wait()
"""
KEYS = RunReport("", datetime(2024, 1, 1, tzinfo=UTC)).as_json().keys()


def nothing_special(_project, _fake):
    return {}


def a_bug(_project, _fake):
    return {"RECONCILE_FAILPOINTS": "page.committed=raise"}


def an_unknown_key(project, _fake):
    with (project.folder / "schedules.yaml").open("a") as file:
        file.write("nonsense: 1\n")
    return {}


def a_refusing_handler(project, _fake):
    (project.folder / "refuse").touch()
    return {}


def a_revoked_token(_project, fake):
    fake.tokens.revoke("shpat_dummy")
    return {}


def a_ledger_that_is_a_folder(project, _fake):
    (project.folder / "reconcile.db").mkdir()
    return {}


def another_runner(project, _fake):
    with project.ledger() as ledger, ledger.write() as tx:
        leases.acquire(tx, SOURCE, "backfill", Holder.me())
    return {}


ENDINGS = {
    nothing_special: 0,
    a_bug: 1,
    an_unknown_key: 2,
    a_refusing_handler: 3,
    a_revoked_token: 4,
    a_ledger_that_is_a_folder: 5,
    another_runner: 75,
}


@pytest.mark.parametrize("prepare", ENDINGS, ids=lambda prepare: prepare.__name__)
def test_each_ending_has_its_exit_code_and_one_document(project, prepare):
    """`--json` prints one whole report on stdout however the run ends, and the exit code is in it (L7)."""
    with shop(project, orders=2) as fake:
        environment = prepare(project, fake)
        done = project.run("run", "--since", "1d", "--json", **environment)
    assert done.returncode == ENDINGS[prepare], done.stderr
    report = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    assert report.keys() >= KEYS
    told = report["errors"] or report.get("error") or report["gaps"]
    assert bool(told) == (done.returncode != 0)
    assert ("Traceback" in done.stderr) == (prepare is a_bug)


@contextlib.contextmanager
def faulty_shop(project, orders):
    """A shop whose `orders` orders need several pages, behind faults, and the project configured for it."""
    with shop(project, orders=0) as fake, serve(faults := Faults(fake)) as served:
        fake.clock.set(datetime.now(UTC) - timedelta(hours=1))
        for _ in range(orders):
            fake.create_order()
            fake.clock.advance(1)
        fake.clock.set(datetime.now(UTC))
        project.write(served.url)
        yield faults


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_stopped_between_pages_is_taken_up_by_the_next(project, number, code):
    """What was read stays read; the next run delivers everything, each once (L2, L3)."""
    with faulty_shop(project, 300) as faults:
        process = project.start("run", "--since", "1d", "--json")
        faults.add(before(lambda _request: process.send_signal(number)), path="page_info")
        out, err = process.communicate(timeout=40)
        assert process.returncode == json.loads(out)["exit_code"] == code, err
        assert json.loads(out)["streams"][0]["covered"] is False
        assert project.effects() == []
        assert project.run("run", "--since", "1d", "--force").returncode == 0  # all of a first run is missed
    effects = project.effects()
    assert len(effects) == len(set(effects)) == 300


@pytest.mark.sweep
def test_a_hung_handler_does_not_keep_a_stopped_run(project):
    """SIGTERM ends a run within ten seconds even while handlers hang; what they had goes to the next run (L2)."""
    with shop(project, orders=2):
        mended = (project.folder / "acme.py").read_text()
        (project.folder / "acme.py").write_text(HANGING)
        process = project.start("run", "--since", "1d", "--json")
        while not (project.folder / "called").exists():
            assert process.poll() is None, process.communicate()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
        assert time.monotonic() - began < 10
        assert process.returncode == json.loads(out)["exit_code"] == 143
        assert json.loads(out)["handlers"][0]["pending"] == 2
        (project.folder / "acme.py").write_text(mended)
        assert project.run("run").returncode == 0
    assert len(project.effects()) == 2
