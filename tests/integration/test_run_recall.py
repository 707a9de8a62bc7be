"""What the ledger knows and a list lacks: read by id, believed only then, and never taken for nothing."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from support.running import arrive, ids, kinds, shop_of, stream_of
from support.shops import add_shops

from connectors.shopify import listing
from reconcile.model import Arrival, Description, GapKind, Occurrence, Origin, Subject, micros
from reconcile.sandbox import page_faults as pages
from reconcile.sandbox import wire_faults as wires
from reconcile.sandbox.fake import Handle

LIST = r"/orders\.json"
ITEM = r"/orders/\d+\.json"
DAY = timedelta(days=1)


pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def bench(empty):
    """A shop of 18 orders within a day."""
    return add_shops(empty, "shop")


def test_a_page_missing_of_what_is_known_is_found_out_by_reading_it(bench):
    """C10: known orders that the list lacks are read; unchanged means that the list is incomplete, and not covered."""
    since = bench.clock.now() - DAY
    assert bench.run(since=since).exit_code == 0
    bench.faults["shop"].add(pages.empty_page(), path=LIST, nth=2)
    report = bench.run(since=since, recheck=True)
    told = stream_of(report, "shop")
    assert not told.covered
    assert report.exit_code == 4
    assert told.unlisted_gaps == 5
    assert kinds(report) == [GapKind.LISTING_INCOMPLETE] * 5
    assert {gap.subject for gap in report.gaps} == {f"order/{id_}" for id_ in ids(bench)[8:13]}
    assert "its list lacks it" in report.gaps[0].reason
    bench.clock.advance(60)
    again = bench.run(since=since)  # of its own accord
    assert (again.exit_code, again.gaps_total) == (0, 0)
    assert stream_of(again, "shop").covered
    assert bench.handled("shop") == dict.fromkeys(ids(bench), 1)


def test_a_stretch_that_stays_doubtful_is_one_gap_however_far_its_end_has_moved_on(bench, monkeypatch):
    """C10, A2: each run found it up to a later end, and told people of it anew."""
    monkeypatch.setattr("reconcile.reading.recall.MOST_READS", 1)
    since = bench.clock.now() - DAY
    assert bench.run(since=since).exit_code == 0
    for _ in range(2):
        bench.clock.advance(60)
        bench.faults["shop"].add(pages.empty_page(), path=LIST, nth=2)
        report = bench.run(since=since, recheck=True)
        bench.faults["shop"].clear()
        assert report.exit_code == 4
        assert [gap.subject for gap in report.gaps][:1] == [f"order/{ids(bench)[8]}"]
        assert report.gaps_total == 2
        assert "lacks records that are not known to be gone" in str(stream_of(report, "shop").error)
    bench.clock.advance(60)
    assert bench.run(since=since, recheck=True).gaps_total == 0


def test_of_many_that_are_gone_the_first_report_says_how_many(bench, monkeypatch):
    """C10, A4: they are asked for some at a time; whoever is told of the first of them learns of all, exactly."""
    monkeypatch.setattr("reconcile.reading.recall.MOST_READS", 2)
    assert bench.run("backfill", "dispatch").exit_code == 0
    for gone in ids(bench)[:5]:
        shop_of(bench).delete_order(int(gone))
    told, since = [], bench.clock.now() - DAY
    for _ in range(3):
        bench.clock.advance(60)
        report = bench.run("backfill", "dispatch", since=since, recheck=True)
        deleted = sum(gap.kind == GapKind.DELETED for gap in report.gaps)
        told.append((deleted, *(gap.reason.partition(";")[0] for gap in report.gaps if gap.kind != GapKind.DELETED)))
    absent = "known order records are absent from the listing"
    assert told == [(2, f"5 {absent}"), (4, f"3 {absent}"), (5,)]


def test_what_the_provider_deleted_is_a_gap_and_never_a_made_up_event(bench):
    """C16: gone by id is `deleted`: covered, exit 3, the handler is told nothing, and it is not read again."""
    assert bench.run("backfill", "dispatch").exit_code == 0
    gone = ids(bench)[3]
    shop_of(bench).delete_order(int(gone))
    effects = list(bench.effects)
    report = bench.run("backfill", "dispatch", recheck=True)
    assert (report.exit_code, stream_of(report, "shop").covered) == (3, True)
    assert [(gap.kind, gap.subject) for gap in report.gaps] == [(GapKind.DELETED, f"order/{gone}")]
    assert bench.effects == effects
    asked = len([seen for seen in shop_of(bench).requests if gone in seen.path])
    bench.run("backfill", "dispatch", recheck=True)
    assert asked == len([seen for seen in shop_of(bench).requests if gone in seen.path]) == 1


def test_what_moved_on_is_neither_missing_nor_a_gap(bench):
    """C7, C10: a known order that changed since the window is in a later one: read by id, believed."""
    assert bench.run().exit_code == 0
    moved = ids(bench)[4]
    shop_of(bench).update_order(int(moved), note="later")
    report = bench.run(recheck=True, until=bench.clock.now() - timedelta(hours=1))
    assert (report.exit_code, stream_of(report, "shop").covered, report.gaps_total) == (0, True, 0)
    bench.clock.advance(600)
    assert bench.run().exit_code == 0
    assert bench.handled("shop", "orders/updated") == {moved: 1}


@pytest.mark.parametrize("passing", [True, False], ids=["once", "for good"])
def test_reading_one_by_id_may_fail_too(bench, passing):
    """A recall check that cannot be made is no answer: retried, else the window is not covered (exit 4)."""
    assert bench.run().exit_code == 0
    bench.faults["shop"].add(pages.items_dropped(1), path=LIST, nth=1)
    bench.faults["shop"].add(wires.answers(500), path=ITEM, times=1 if passing else 0)
    report = bench.run(recheck=True)
    told = stream_of(report, "shop")
    assert (report.exit_code, told.covered) == (4, False)
    assert report.gaps_total == (1 if passing else 0)
    assert passing or "500" in told.error


def test_more_deletions_than_may_be_read_at_once_are_all_found_in_the_end(empty):
    """C10, C16: a shop that deleted hundreds of orders is covered after a few runs, not never."""
    bench = add_shops(empty, "shop", orders=230, every=60)
    shop = shop_of(bench)
    bench.clock.advance(600)
    since = bench.clock.now() - DAY
    assert bench.run(since=since, force=True).exit_code == 0
    for order in [one.subject_id for one in shop.truth if one.topic == "orders/create"]:
        shop.delete_order(int(order))
    assert bench.run(since=since, recheck=True).exit_code == 4
    bench.clock.advance(60)
    report = bench.run(since=since)
    assert stream_of(report, "shop").covered
    assert report.gaps_total == 230


def test_an_order_that_the_token_may_not_see_is_not_called_deleted(empty):
    """C16: without read_all_orders an order of long ago answers 404, though it lives and its webhooks come."""
    bench = add_shops(empty, "shop", orders=1, scopes=("read_orders",))
    shop = shop_of(bench)
    order = int(shop.truth[0].subject_id)
    bench.clock.advance(100 * 86_400)
    assert bench.run(since=None).exit_code == 0
    bench.clock.advance(600)
    now = bench.clock.now()
    subject = Subject("order", str(order))
    described = Description("orders/updated", subject, Occurrence.STATE, "x", micros(now), now)
    arrive(bench, "shop", Arrival("wh-1", described, b"{}", Origin.LIVE, carried=micros(now)))
    bench.clock.advance(600)
    report = bench.run(since=None)
    assert kinds(report) == []
    assert report.exit_code == 0


def test_a_part_of_a_cut_window_is_held_against_what_we_know_by_its_own_listing(bench, monkeypatch):
    """C10: what only the whole window listed, and its part leaves out, makes the part incomplete."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 1)
    monkeypatch.setattr("reconcile.reading.tiling.PAGES_PER_WINDOW", 2)
    since = bench.clock.now() - DAY
    assert bench.run(since=since, force=True).exit_code == 0
    known, shown = shop_of(bench).truth[-1].subject_id.encode(), []

    def forgetful(request: httpx.Request, handle: Handle) -> httpx.Response:
        answer = handle(request)
        if known not in answer.content:
            return answer
        shown.append(request)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return answer if len(shown) == 1 else httpx.Response(200, json={"orders": []}, headers=headers)

    bench.faults["shop"].add(forgetful, path=r"/orders\.json", times=0)
    report = bench.run(since=since, recheck=True)
    assert len(shown) > 1
    assert (report.exit_code, kinds(report)) == (4, [GapKind.LISTING_INCOMPLETE])
