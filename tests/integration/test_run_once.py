"""Each thing once: however often a run looks, whatever comes live meanwhile, however a window is cut."""

from __future__ import annotations

import pytest
from support.running import Bench, a_bench, arrive, at_failpoint, ids, stream_of
from support.shops import add_shops

from connectors.shopify import listing
from connectors.shopify.delivery import describe
from reconcile.model import Arrival, Origin


@pytest.fixture
def bench(databases, tmp_path):
    """A shop with three orders within the day, on each engine."""
    with a_bench(databases, tmp_path) as made:
        fill(made, 3)
        yield made


def fill(made: Bench, orders: int) -> None:
    """A shop with an order a minute, all of them settled."""
    add_shops(made, "shop", orders=orders, every=60).clock.advance(7200)


def test_a_second_run_does_nothing(bench):
    """H12: no handler is called, nothing is changed at the provider, nothing is left."""
    assert bench.run().exit_code == 0
    effects, sent = list(bench.effects), len(bench.faults["shop"].fake.requests)
    for options in ({}, {"recheck": True}, {"since": None}):
        report = bench.run(**options)
        assert report.exit_code == 0
        told = stream_of(report, "shop")
        assert (told.events, told.backfilled, told.gap, told.pending) == (0, 0, 0, 0)
    assert bench.effects == effects
    assert {seen.method for seen in bench.faults["shop"].fake.requests[sent:]} <= {"GET"}


def test_what_comes_live_while_a_page_is_judged_is_handled_once_and_counted_once(bench):
    """H4, C2: the page was judged without it; recording asks again under the subject's lock."""
    fake = bench.faults["shop"].fake
    first = next(one for one in fake.truth if one.topic == "orders/create")

    def deliver() -> None:
        described = describe("orders/create", first.body, {})
        arrival = Arrival("wh-1", described, first.body, Origin.LIVE, carried=described.version)
        arrive(bench, "shop", arrival, repeats_by_bytes=True)

    with at_failpoint("page.before_commit", deliver):
        report = bench.run()
    told = stream_of(report, "shop")
    assert bench.handled("shop") == dict.fromkeys(ids(bench), 1)
    assert (told.listed, told.backfilled, told.already_handled, told.events) == (3, 2, 1, 2)
    assert report.exit_code == 0


def test_a_window_that_is_cut_counts_its_items_once(empty, monkeypatch):
    """C2: what is listed again because its window was too dense is a repeat."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 2)
    fill(empty, 20)
    report = empty.run("backfill", force=True)
    told = stream_of(report, "shop")
    assert told.covered
    assert told.backfilled == 20
    assert told.listed - told.filtered == 20


def test_a_window_that_is_cut_does_not_open_the_valve(empty, monkeypatch):
    """First contact: what was listed again makes everything look half as missed as it is."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 2)
    fill(empty, 30)
    assert any("valve would close: 30 of 30" in note for note in empty.run(dry_run=True).notes)
    assert any("30 of 30 listed items look missed" in note for note in empty.run().notes)
    assert empty.effects == []
