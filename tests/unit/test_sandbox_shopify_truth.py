"""What happens in the fake shop: its resources, and the truth told about them."""

from __future__ import annotations

import json

import pytest
from support.fakes import START
from support.fakes import shop_get as get
from support.fakes import shop_ids as ids

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify, Item


def topics(shop):
    return [happened.topic for happened in shop.truth]


# children


def test_refunds_and_transactions_hang_on_their_order(shop):
    """Refunds, transactions and fulfillments are read per order, one by one or all."""
    order = shop.create_order(items=[Item("Mug", 1000, 2)])
    paid, refund = shop.pay_order(order), shop.refund_order(order, 500)
    parcel = shop.fulfill_order(order)
    body = get(shop, f"orders/{order}.json").json()["order"]
    assert body["financial_status"] == "partially_refunded"
    assert ids(get(shop, f"orders/{order}/refunds.json"), "refunds") == [refund]
    assert body["refunds"][0]["order_id"] == order
    transactions = get(shop, f"orders/{order}/transactions.json").json()["transactions"]
    assert [(t["kind"], t["status"], t["amount"]) for t in transactions] == [
        ("sale", "success", "20.00"),
        ("refund", "success", "5.00"),
    ]
    one = get(shop, f"orders/{order}/transactions/{paid}.json").json()["transaction"]
    assert one["id"] == paid
    assert ids(get(shop, f"orders/{order}/fulfillments.json"), "fulfillments") == [parcel]
    assert get(shop, f"orders/{order}/transactions/1.json").status_code == 404
    assert get(shop, "refunds.json").status_code == 404


def test_a_pending_payment_sets_off_no_webhook(shop):
    """order_transactions/create fires when a payment ends, never while it is pending; a failure pays nothing."""
    order = shop.create_order()
    payment = shop.start_payment(order)
    assert "order_transactions/create" not in topics(shop)
    shop.settle_payment(order, payment, "failure")
    assert topics(shop)[-1] == "order_transactions/create"
    assert get(shop, f"orders/{order}.json").json()["order"]["financial_status"] == "pending"


# truth


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda s, o: s.update_order(o, note="x"), ["orders/updated"]),
        (lambda s, o: s.close_order(o), ["orders/updated"]),
        (lambda s, o: s.pay_order(o), ["order_transactions/create", "orders/paid", "orders/updated"]),
        (lambda s, o: s.cancel_order(o), ["orders/cancelled", "orders/updated"]),
        (lambda s, o: s.refund_order(o), ["refunds/create", "order_transactions/create", "orders/updated"]),
        (lambda s, o: s.fulfill_order(o), ["fulfillments/create", "orders/fulfilled", "orders/updated"]),
        (
            lambda s, o: s.fulfill_order(o, partial=True),
            ["fulfillments/create", "orders/partially_fulfilled", "orders/updated"],
        ),
        (lambda s, o: s.delete_order(o), ["orders/delete"]),
    ],
)
def test_one_action_many_topics_one_event_id(shop, act, expected):
    """Every topic of an action is in the truth, under one event id."""
    order = shop.create_order()
    assert topics(shop) == ["orders/create", "orders/updated"]
    shop.truth.clear()
    act(shop, order)
    assert topics(shop) == expected
    assert len({happened.event_id for happened in shop.truth}) == 1


def test_payloads_are_the_bare_resource(shop):
    """A webhook's body is the REST resource without a root; a deletion carries the id alone."""
    order = shop.create_order()
    assert json.loads(shop.truth[0].body) == get(shop, f"orders/{order}.json").json()["order"]
    shop.delete_order(order)
    assert json.loads(shop.truth[-1].body) == {"id": order}


def test_ordering_a_product_updates_it(shop):
    """products/update fires when a product is ordered."""
    product = shop.create_product("Mug", 900)
    shop.create_order(items=[Item("Mug", 900, 1, product)])
    assert topics(shop) == ["products/create", "orders/create", "orders/updated", "products/update"]


def test_the_same_seed_tells_the_same_story():
    """Two shops of one seed have equal bodies, ids and event ids."""

    def story(seed):
        shop = FakeShopify(clock=SettableClock(START), seed=seed)
        shop.refund_order(shop.create_order())
        shop.complete_draft(shop.create_draft())
        shop.update_customer(shop.create_customer(), note="x")
        return shop.truth

    assert story(3) == story(3)
    assert story(3) != story(4)
