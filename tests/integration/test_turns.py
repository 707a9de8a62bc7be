"""Schedules over time: what is due runs once, after downtime too, whoever of several runners looks."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from support.running import NOON, Bench, add_shop, at_failpoint

from reconcile import turns
from reconcile.clock import Stop
from reconcile.daemon import Daemon
from reconcile.errors import LedgerError
from reconcile.ledger import ticks
from reconcile.report import RunReport, StreamReport
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify

SCHEDULES = """\
schedules:
  - {job: dispatch, every: 10m}
  - {job: backfill, cron: "*/15 * * * *"}
"""


@pytest.fixture
def bench(tmp_path):
    """One shop and two schedules."""
    made = Bench(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", SettableClock(NOON))
    add_shop(made, "acme")
    made.text += SCHEDULES
    yield made
    made.ledger.close()


def shop_of(bench: Bench) -> FakeShopify:
    return bench.faults["acme"].fake


def run_due(bench: Bench) -> list[str]:
    """One `reconcile cron`: the jobs that ran."""
    return [schedule.job for schedule, _ in turns.run_due(bench.context(), "cron", timedelta())]


def test_a_schedule_that_never_ran_is_due_and_runs_in_the_order_of_a_run(bench):
    """The first call runs everything, backfill before dispatch; a second one at the same time nothing."""
    assert run_due(bench) == ["backfill", "dispatch"]
    assert run_due(bench) == []


def test_each_turn_comes_when_it_is_due(bench):
    """Ten minutes later one schedule is due again, five minutes after that the other."""
    run_due(bench)
    bench.clock.advance(600)
    assert run_due(bench) == ["dispatch"]
    bench.clock.advance(300)
    assert run_due(bench) == ["backfill"]


def test_downtime_is_one_turn_and_coverage_makes_up_for_it(bench):
    """Missed ticks: after two days down the backfill runs once, and finds everything of those days."""
    run_due(bench)
    shop = shop_of(bench)
    for _ in range(12):
        bench.clock.advance(4 * 3600)
        shop.create_order()
    bench.clock.advance(3600)
    assert run_due(bench) == ["backfill", "dispatch"]
    assert len([topic for _, topic, _ in bench.effects if topic == "orders/create"]) == 12
    assert run_due(bench) == []


def test_a_stop_ends_the_turns_and_those_not_begun_stay_due(bench):
    """What was not begun when a stop came is due for the next runner."""
    context = bench.context()
    going = turns.run_due(context, "cron", timedelta())
    assert next(going)[0].job == "backfill"
    context.stop.set()
    assert list(going) == []
    bench.stop = Stop()
    assert run_due(bench) == ["dispatch"]


def test_two_runners_share_the_turns(bench):
    """Two daemons: what one has taken, the other leaves alone, though both found it due."""
    one, two = bench.context(), replace(bench.context(), holder=replace(bench.context().holder, name="other:1"))
    backfill = turns.due(one)[0]
    assert turns.due(two)[0] == backfill
    assert [turns.take(one, backfill), turns.take(two, backfill)] == [True, False]
    with bench.ledger.read() as tx:
        assert list(ticks.newest(tx, ["backfill */15 * * * *"]).values()) == [NOON]


def test_a_turn_that_meets_a_ledger_that_is_away_is_looked_at_again_soon(bench, monkeypatch):
    """The next tick may be a week away; the turn is still to be taken as soon as the ledger is back."""
    bench.text += "  - {job: purge, every: 7d, keep_payloads: 90d}\n"
    daemon = Daemon(bench.context(), bench.config)
    schedule = daemon.config.schedules[-1]
    asked = []

    @contextmanager
    def away():
        raise LedgerError("ledger: the connection to the server was lost, nothing lost, safe to re-run")
        yield

    monkeypatch.setattr(daemon._watch._timetable, "again", lambda one, wait: asked.append((one, wait)))
    with monkeypatch.context() as outage:
        outage.setattr(bench.ledger, "write", away)
        with pytest.raises(LedgerError):
            daemon._watch._tick(schedule)
    assert asked == [(schedule, timedelta(minutes=1))]
    daemon._watch._tick(schedule)
    assert run_due(bench).count("purge") == 0, "it was taken and run"


def refused(bench, monkeypatch, at):
    """From the place `at` on the ledger is away, until the monkeypatch is undone."""

    @contextmanager
    def away():
        raise LedgerError("ledger: the connection to the server was lost, nothing lost, safe to re-run")
        yield

    return at_failpoint(at, lambda: monkeypatch.setattr(bench.ledger, "write", away))


def test_a_turn_that_lost_the_ledger_is_made_up_for_as_soon_as_it_is_back(bench, monkeypatch):
    """What was taken and came to nothing waits for no next time: that may be a week away."""
    daemon, asked = Daemon(bench.context(), bench.config), []
    schedule = daemon.config.schedules[-1]
    order = shop_of(bench).create_order
    daemon._watch._tick(schedule)
    order()
    bench.clock.advance(3600)
    monkeypatch.setattr(daemon._watch._timetable, "again", lambda one, wait: asked.append((one, wait)))
    with monkeypatch.context() as outage, refused(bench, outage, "page.before_commit"):
        daemon._watch._tick(schedule)
        assert asked == [(schedule, timedelta(minutes=1))]
        with pytest.raises(LedgerError):
            daemon._watch._tick(schedule)
    bench.clock.advance(60)
    daemon._watch._tick(schedule)
    assert [(topic, state) for topic, _, state in bench.recorded("acme")] == [("orders/create", "waiting")]
    assert "backfill" not in run_due(bench), "it was taken and run"


def test_a_turn_that_was_cut_off_by_a_signal_is_due_again(bench):
    """L2: a deploy in the midst of the nightly backfill does not cost a day."""
    run_due(bench)
    bench.clock.advance(3600)
    with at_failpoint("page.fetched", lambda: bench.stop.set(143)):
        assert run_due(bench) == ["backfill"]
    bench.stop = Stop()
    assert run_due(bench) == ["backfill", "dispatch"]
    assert run_due(bench) == []


def test_a_turn_taken_by_a_clock_that_was_ahead_does_not_silence_the_schedule(bench):
    """C15: a machine starts with its clock a year ahead, takes its turns, and is put right."""
    bench.clock.set(NOON + timedelta(days=365))
    assert run_due(bench) == ["backfill", "dispatch"]
    bench.clock.set(NOON)
    assert run_due(bench) == ["backfill", "dispatch"]
    assert run_due(bench) == []
    bench.clock.advance(600)
    assert run_due(bench) == ["dispatch"]


def test_a_turn_that_a_clock_a_little_ahead_has_taken_is_taken(bench):
    """L1: machines' clocks differ by seconds; the turn is one all the same."""
    assert run_due(bench) == ["backfill", "dispatch"]
    bench.clock.set(NOON - timedelta(seconds=5))
    assert run_due(bench) == []


def test_what_a_stream_failed_by_is_logged_with_its_name(bench, caplog):
    """Of several sources "the listing lacks records" helps nobody; a source's own error is not told twice."""
    daemon = Daemon(bench.context(), bench.config)
    report = RunReport("", NOON, errors=["pay: refused"])
    report.streams = [StreamReport("shop", "orders", NOON, NOON, error="shop: late")]
    report.streams += [StreamReport("pay", "events", NOON, NOON, error="pay: refused")]
    daemon._watch._say(daemon.config.schedules[0], report)
    assert caplog.messages == ["dispatch: pay: refused", "dispatch: shop orders: late"]
