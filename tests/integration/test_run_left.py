"""What a run says is left when it ends, and what a dry run says would be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.running import Bench, add_shop, stream_of

from reconcile import counting
from reconcile.errors import ConfigError
from reconcile.ledger import events, gaps, targets, views
from reconcile.ledger.views import EventFilter
from reconcile.model import EventState, GapKind
from reconcile.operator import repair

SETTLE = timedelta(minutes=2)


@pytest.fixture
def bench(empty):
    """A shop that took thirty orders in a quarter of an hour."""
    shop = add_shop(empty)
    for _ in range(30):
        empty.clock.advance(30)
        shop.create_order()
    empty.clock.advance(600)
    return empty


def open_gaps(made: Bench) -> list[GapKind]:
    with made.ledger.read() as tx:
        return [gap.kind for gap in gaps.find(tx)]


def test_an_event_that_nobody_delivers_is_a_gap_until_somebody_does(bench):
    """H7: recorded is not handled; without a dispatcher the report says so, and delivery closes the gap."""
    bench.run("backfill", force=True)
    assert open_gaps(bench) == []
    bench.clock.advance(120)
    report = bench.run("backfill")
    assert set(open_gaps(bench)) == {GapKind.UNHANDLED}
    assert report.exit_code == 3
    assert report.gaps_total == 30
    bench.run()
    assert open_gaps(bench) == []
    assert len(bench.handled("shop")) == 30


def test_a_paused_target_explains_why_its_events_wait(bench):
    """H7: a pause by hand is an explanation, so there is no gap; the run exits 3 all the same."""
    bench.run("backfill", force=True)
    with bench.ledger.write() as tx:
        targets.pause(tx, "shop", targets.HAND, "by hand")
    bench.clock.advance(120)
    report = bench.run()
    assert open_gaps(bench) == []
    assert report.exit_code == 3
    assert report.handlers[0].paused


def test_a_paused_target_is_left_even_with_nothing_to_deliver(bench):
    """A target that is still paused is no good end: the next delivery would wait, and nobody would know."""
    assert bench.run(force=True).exit_code == 0
    with bench.ledger.write() as tx:
        targets.pause(tx, "shop", targets.HAND, "deploying")
    report = bench.run()
    assert (report.exit_code, report.gaps_total) == (3, 0)
    assert [(one.pending, one.held, one.paused) for one in report.handlers] == [(0, 0, True)]


def test_the_list_of_gaps_is_capped_and_their_number_is_not(bench, monkeypatch):
    """An outage of a year must not fill memory or a terminal; the number is exact, over all sources."""
    monkeypatch.setattr(counting, "GAPS_LISTED", 7)
    bench.text = bench.text.replace("handler: app:take", "")
    report = bench.run("backfill")
    assert (report.gaps_total, len(report.gaps)) == (30, 7)
    assert {gap.kind for gap in report.gaps} == {"missing"}


def test_events_wait_on_when_the_handler_is_taken_away(bench):
    """H7: a source that only detects from now on has thirty events that were recorded and never handled."""
    bench.run("backfill", force=True)
    bench.text = bench.text.replace("handler: app:take", "")
    report = bench.run()
    assert report.exit_code == 3
    assert [(one.source, one.pending) for one in report.handlers] == [("shop", 30)]


def test_a_dry_run_that_finds_something_exits_3_and_foretells_the_valve(bench):
    """S5, C2: a dry run says what would be, the closed valve included, and writes nothing."""
    report = bench.run(dry_run=True)
    stream = stream_of(report, "shop")
    assert (stream.listed, stream.backfilled, stream.events) == (30, 30, 30)
    assert report.exit_code == 3
    assert any("the valve would close: 30 of 30" in note for note in report.notes)
    assert bench.recorded("shop") == []
    assert bench.run(dry_run=True, force=True).exit_code == 3


def test_a_dry_run_that_finds_nothing_exits_0(bench):
    """C2: after a real run there is nothing left to say."""
    bench.run(force=True)
    assert bench.run(dry_run=True).exit_code == 0


def test_the_report_names_the_window_even_when_nobody_asked_for_one(bench):
    """The resolved window is part of the report, whatever the command line left open."""
    bench.run(force=True)
    bench.clock.advance(3600)
    report = bench.run(since=None)
    assert report.since == stream_of(report, "shop").start
    assert report.until == stream_of(report, "shop").end == report.started_at.replace(microsecond=0) - SETTLE


def test_what_the_app_recorded_itself_cannot_be_replayed(bench):
    """An imported event has no body: sending it would hand the handler nothing."""
    bench.run(force=True)
    with bench.ledger.write() as tx:
        row = views.list_events(tx, EventFilter(source="shop"), 1)[0]
        events.change(tx, row.seq, body=b"", origin="imported", state=EventState.HANDLED)
        with pytest.raises(ConfigError, match="has no body"):
            repair.replay(tx, bench.config(), "shop", row.seq)


def test_a_dry_run_without_a_handler_foretells_gaps(bench):
    """C2: what would be a gap is not called backfilled, and no event would be recorded."""
    bench.text = bench.text.replace("handler: app:take", "")
    dry, wet = bench.run("backfill", dry_run=True), bench.run("backfill")
    for told in (stream_of(dry, "shop"), stream_of(wet, "shop")):
        assert (told.gap, told.backfilled, told.events) == (30, 0, 0)
