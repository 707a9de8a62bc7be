"""A handler that is put back, or comes later: neither what was recorded nor what was detected has been handled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.running import Bench, a_bench, add_shop

from reconcile import inbox
from reconcile.book import Book
from reconcile.model import Arrival, Description, EventState, Occurrence, Origin, Subject, micros

HANDLER = "handler: app:take"


@pytest.fixture
def bench(databases, tmp_path):
    """A shop that is known, with a handler."""
    with a_bench(databases, tmp_path) as made:
        add_shop(made, topics="orders/create", more=HANDLER)
        assert made.run(since=None).exit_code == 0
        made.clock.advance(600)
        yield made


def an_order(made: Bench) -> str:
    placed = str(made.faults["shop"].fake.create_order())
    made.clock.advance(60)
    return placed


def delivered(made: Bench, order: str) -> None:
    """As the receiver of a source without a handler stores it."""
    at = made.clock.now() - timedelta(seconds=60)
    described = Description("orders/create", Subject("order", order), Occurrence.ONCE, "", micros(at), at)
    with made.ledger.write() as tx:
        inbox.record(tx, Book("shop", EventState.IGNORED), [Arrival(f"wh-{order}", described, b"{}", Origin.LIVE)])


def read_on(made: Bench):
    """A run, and one more when all of it is final."""
    made.clock.advance(600)
    made.run(since=None)
    made.clock.advance(2 * 3600)
    return made.run(since=None)


def test_what_came_while_there_was_no_handler_is_handled_once_there_is_one_again(bench):
    """H7: delivered and answered 2xx, or missed and reported: neither has been handled, however long it is proven."""
    before = an_order(bench)
    read_on(bench)
    bench.text = bench.text.replace(HANDLER, "")
    came, missed = an_order(bench), an_order(bench)
    delivered(bench, came)
    detected = read_on(bench)
    assert (detected.exit_code, [gap.kind for gap in detected.gaps]) == (3, ["missing"])
    bench.text += f"    {HANDLER}\n"
    report = bench.run(since=None)
    assert (report.exit_code, report.gaps_total) == (0, 0)
    assert bench.handled("shop") == {before: 1, came: 1, missed: 1}
    assert read_on(bench).exit_code == 0
    assert bench.handled("shop") == {before: 1, came: 1, missed: 1}


def test_what_a_handler_was_given_need_not_be_read_again_to_detect(bench):
    """H12: taking the handler away asks for nothing more."""
    an_order(bench)
    read_on(bench)
    first = bench.run(since=None).streams[0]
    bench.text = bench.text.replace(HANDLER, "")
    again = bench.run(since=None).streams[0]
    assert (again.covered, again.listed) == (True, first.listed)
