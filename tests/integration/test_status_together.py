"""Many pending orders asked about in one question, and one by one where that does not settle it (P2, P5)."""

from __future__ import annotations

from collections import Counter

import pytest
from support.pending import known, later, one, shop_at

from reconcile.model import TransactionStatus
from reconcile.sandbox.wire_faults import answers, before, html
from reconcile.transactions.transaction import State

ORDERS = 230


@pytest.fixture(params=[0, 4], ids=["one thread", "threads"])
def bench(request, empty):
    empty.threads = request.param
    return empty


@pytest.fixture
def shop(bench):
    return shop_at(bench, topics="orders/create, orders/paid, orders/cancelled")


def pending(bench, shop, number=ORDERS):
    """So many orders that wait for their money, all of them known and due."""
    orders = [shop.create_order() for _ in range(number)]
    later(bench, minutes=3)
    bench.run("backfill")
    later(bench, minutes=5)
    shop.requests.clear()
    return orders


def asked(shop) -> Counter[str]:
    """How many lists by id, single orders and lists of transactions were asked for."""
    kinds = Counter()
    for seen in shop.requests:
        single, listed = "/orders/" in seen.path, seen.path.endswith("/orders.json")
        kinds["moves" if "transactions" in seen.path else "single" if single else "list" if listed else "other"] += 1
    return kinds


def test_pending_orders_are_asked_about_a_hundred_at_a_time(bench, shop):
    """A shop with many unpaid orders: three questions, closed orders among them, and each climbs its own rung."""
    orders = pending(bench, shop)
    shop.close_order(orders[7])
    report = bench.run("status-checks")
    assert report.transactions == {"checked": ORDERS, "resolved": 0, "pending": ORDERS, "unresolved": 0}
    assert (asked(shop)["list"], asked(shop)["single"]) == (3, 0)
    assert {row.attempts for row in known(bench)} == {1}


def test_what_one_question_does_not_settle_is_asked_alone(bench, shop):
    """P2, P5: a paid order's time takes a question more; one that is gone is asked for by its own id; each end once."""
    orders = pending(bench, shop, 20)
    paid, voided, gone = orders[3], orders[5], orders[8]
    shop.pay_order(paid)
    shop.cancel_order(voided)
    shop.delete_order(gone)
    report = bench.run("status-checks", "dispatch")
    assert report.transactions == {"checked": 20, "resolved": 2, "pending": 18, "unresolved": 0}
    assert asked(shop) == {"list": 1, "single": 2, "moves": 1}
    assert one(bench, paid).status is TransactionStatus.SUCCEEDED
    assert bench.handled("shop", "orders/paid") == {str(paid): 1}
    assert bench.handled("shop", "orders/cancelled") == {str(voided): 1}
    assert (one(bench, gone).state, one(bench, gone).answer) == (State.PENDING, "its provider does not know it")


@pytest.mark.parametrize("fault", [html(), answers(400, b"{}"), answers(200, b'{"orders": null}')])
def test_a_list_by_id_that_fails_is_made_up_for(bench, shop, fault):
    """P2: where the list fails, each is asked about alone, and the list is not tried again and again."""
    pending(bench, shop, 120)
    bench.faults["shop"].add(fault, path="ids=", times=0)
    report = bench.run("status-checks")
    assert report.transactions == {"checked": 120, "resolved": 0, "pending": 120, "unresolved": 0}
    assert asked(shop)["single"] == 120
    assert report.errors == []


def test_a_stop_while_many_are_asked_about_is_no_failure(bench, shop, caplog):
    """L2: asked to stop while it waits to ask again, it asks about none alone, and warns of nothing."""

    def throttled(request, handle):
        bench.stop.set(143)
        return answers(429, b"{}")(request, handle)

    pending(bench, shop, 3)
    bench.faults["shop"].add(throttled, path="ids=", times=0)
    assert bench.run("status-checks").exit_code == 143
    assert asked(shop)["single"] == 0
    assert caplog.messages == []


def test_a_stop_in_the_midst_of_many_keeps_what_was_answered(bench, shop):
    """L2: the claims of what was not asked about are given back; the next run asks about those alone."""
    pending(bench, shop, 150)
    bench.faults["shop"].add(before(lambda _: bench.stop.set(143)), path="ids=", nth=2)
    assert bench.run("status-checks").exit_code == 143
    answered = sum(row.attempts for row in known(bench))
    bench.stop = type(bench.stop)()
    assert bench.run("status-checks").transactions["checked"] == 150 - answered
    assert {row.attempts for row in known(bench)} == {1}
