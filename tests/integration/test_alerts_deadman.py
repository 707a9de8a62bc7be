"""The dead-man's switch: what it hears of runs that read, and that it never matters to them."""

from __future__ import annotations

import socket
import threading
import time

import httpx
import pytest
from support.ledgers import later
from support.running import add_shop, at_failpoint

from reconcile.alerts import deadman
from reconcile.context import Options
from reconcile.ledger import leases
from reconcile.ledger.process import Holder
from reconcile.report import RunReport, StreamReport
from reconcile.sandbox.server import serve


class Switch:
    """Keeps what it hears, as path and run."""

    def __init__(self):
        self.status = 200
        self.heard = []
        self.silent = threading.Event()

    def handle(self, request):
        self.heard.append((request.method, request.url.path, request.url.params["rid"], request.content))
        return httpx.Response(self.status)


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def bench(empty, switch):
    with serve(switch) as served:
        add_shop(empty)
        use(empty, f"{served.url}/dummy-uuid")
        yield empty


def use(bench, url):
    """Configure the switch."""
    alerts = "smtp: 'smtp://127.0.0.1:9?tls=off', from: a@b.example, to: [c@d.example]"
    bench.text = bench.text.partition("alerts:")[0] + f"alerts: {{{alerts}, ping: '{url}'}}\n"


def taken(bench, source="shop"):
    with bench.ledger.write() as tx:
        leases.acquire(tx, source, "backfill", Holder("elsewhere:1", "elsewhere", 1, ""))


def lost(bench):
    with bench.ledger.write() as tx:
        leases.acquire(later(tx, 31), "shop", "backfill", Holder("elsewhere:1", "elsewhere", 1, ""))


def paths(switch):
    return sorted(path for _, path, _, _ in switch.heard)


def test_run_that_proved_what_it_was_asked_is_a_success(bench, switch):
    """A start and a success under one id, with nothing in them."""
    report = bench.run("backfill")
    assert (report.exit_code, report.notes[1:]) == (0, [])
    assert paths(switch) == ["/dummy-uuid", "/dummy-uuid/start"]
    assert len({rid for _, _, rid, _ in switch.heard}) == 1
    assert {(method, body) for method, _, _, body in switch.heard} == {("POST", b"")}


def test_run_that_failed_says_its_exit_code(bench, switch, monkeypatch):
    """A run whose coverage was not reached is a failure."""
    monkeypatch.setattr(bench.faults["shop"], "handle", lambda request: httpx.Response(403, request=request))
    assert bench.run("backfill").exit_code == 4
    assert paths(switch) == ["/dummy-uuid/4", "/dummy-uuid/start"]


@pytest.mark.parametrize("exit_code", [0, 3])
def test_run_that_is_alive_and_stuck_is_no_success(bench, switch, exit_code):
    """Whatever else went well: a stream whose window was not proven is a failure."""
    report = RunReport("run-1", bench.clock.now(), exit_code=exit_code)
    now = bench.clock.now()
    report.streams = [StreamReport("shop", one, now, now, covered=one == "orders") for one in ("orders", "products")]
    deadman.Switch(bench.context(), Options(), ("backfill",)).end(report)
    assert paths(switch) == ["/dummy-uuid/fail"]


def test_run_that_finds_another_at_work_says_nothing(bench, switch):
    """Whoever reads tells of it: a run that is busy (75) is neither a beginning nor a failure."""
    taken(bench)
    assert bench.run("backfill").exit_code == 75
    assert switch.heard == []


def test_run_that_finds_another_at_work_after_it_began_says_nothing(bench, switch):
    """Who takes the only source before this run reads it tells: no beginning is left without an end."""
    with at_failpoint("subscription.made", lambda: taken(bench)) as reached:
        assert bench.run("subscriptions", "backfill").exit_code == 75
    assert "subscription.made" in reached
    assert switch.heard == []


def test_run_that_read_what_nobody_else_reads_is_a_success(bench, switch):
    """Of two sources another run is at work on one: a beginning and an end, and the other run tells of its own."""
    alerts = bench.text[bench.text.index("alerts:") :]
    bench.text = bench.text.removesuffix(alerts)
    add_shop(bench, "other")
    bench.text += alerts
    taken(bench, "other")
    assert bench.run("backfill").exit_code == 75
    assert paths(switch) == ["/dummy-uuid", "/dummy-uuid/start"]


def test_run_that_lost_its_only_source_is_a_failure(bench, switch):
    """It has said that it begins, so it says that it came to nothing."""
    with at_failpoint("page.fetched", lambda: lost(bench)):
        assert bench.run("backfill").exit_code == 75
    assert paths(switch) == ["/dummy-uuid/75", "/dummy-uuid/start"]


def test_run_that_is_busy_and_left_a_stream_unproven_is_a_failure(bench, switch):
    """What could not be proven of its own is not made good by what others prove of theirs."""
    report, now = RunReport("run-1", bench.clock.now(), exit_code=75), bench.clock.now()
    report.streams = [StreamReport("shop", one, now, now, covered=one == "orders") for one in ("orders", "products")]
    report.streams.append(StreamReport("other", "orders", now, now, error="held by another runner"))
    deadman.Switch(bench.context(), Options(), ("backfill",)).end(report)
    assert paths(switch) == ["/dummy-uuid/75"]


def test_run_that_read_all_while_others_mend_subscriptions_is_a_success(bench, switch):
    """That another runner has some other job of a source takes nothing from what was proven."""
    report = RunReport("run-1", bench.clock.now(), exit_code=75)
    now = bench.clock.now()
    report.streams = [StreamReport("shop", "orders", now, now, covered=True)]
    deadman.Switch(bench.context(), Options(), ("subscriptions", "backfill")).end(report)
    assert paths(switch) == ["/dummy-uuid"]


def test_stop_waits_for_no_switch(bench, monkeypatch):
    """L2: once a stop was asked for, a switch that never answers costs a moment."""
    monkeypatch.setattr(deadman, "HURRY", 0.05)
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(bench, f"http://127.0.0.1:{silent.getsockname()[1]}/dummy-uuid")
        bench.stop.set()
        deadman.Switch(bench.context(), Options(), ("backfill",)).end(RunReport("run-1", bench.clock.now()))
    assert time.monotonic() - began < deadman.DEADLINE / 2


@pytest.mark.parametrize("options", [{"dry_run": True}, {"baseline": True}])
def test_what_is_no_run_of_the_timetable_says_nothing(bench, switch, options):
    """A dry run and a baseline are no sign of life, nor is a job that does not read."""
    bench.run("backfill", **options)
    bench.run("dispatch")
    assert switch.heard == []


def test_switch_that_fails_changes_nothing(bench, switch):
    """A switch that answers an error is a note; the exit code is the run's own."""
    switch.status = 500
    report = bench.run("backfill")
    assert report.exit_code == 0
    assert report.notes[-1] == "alerts: the dead-man's switch was not reached: 127.0.0.1 answered 500"


def test_switch_that_is_silent_is_left_in_time(bench, monkeypatch):
    """A switch that never answers costs its deadline, and the note does not name the URL (X1)."""
    monkeypatch.setattr(deadman, "DEADLINE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(bench, f"http://127.0.0.1:{silent.getsockname()[1]}/dummy-uuid")
        report = bench.run("backfill")
    assert report.exit_code == 0
    assert "dead-man's switch was not reached" in report.notes[-1]
    assert "dummy-uuid" not in str(report.notes)


@pytest.mark.parametrize("host", ["hc..example.com", "☃..example.com", f"{'a' * 70}.example.com"])
def test_switch_whose_name_is_none_is_said_and_changes_nothing(bench, host):
    """X1: what the resolver or httpx cannot even read ends no run and no thread, and shows no URL."""
    use(bench, f"https://{host}/dummy-uuid")
    report = bench.run("backfill")
    assert report.exit_code == 0
    assert f"dead-man's switch was not reached: {host}: " in report.notes[-1]
    assert "dummy-uuid" not in str(report.notes)
