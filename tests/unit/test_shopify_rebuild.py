"""What a listed Shopify resource proves, and what a delivery says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.shapes import Record
from reconcile.model import Occurrence, Snapshot, Subject, iso, micros

SHOP = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
ALL = frozenset(topic.name for topic in SHOP.facts.topics)


def at(minutes: int) -> str:
    return (datetime(2026, 11, 1, 6, 0, tzinfo=UTC) + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def order(**changes):
    return {"id": 1001, "created_at": at(0), "updated_at": at(9), "financial_status": "pending", **changes}


def snapshot(body, resource="order"):
    encoded = json.dumps(body).encode()
    record = msgspec.json.decode(encoded, type=Record)
    return Snapshot(Subject(resource, str(record.id)), micros(record.updated_at), record.updated_at, encoded, record)


def facts(body, topics=ALL, resource="order"):
    return {fact.key: fact for fact in SHOP.rebuild(snapshot(body, resource), topics)}


def test_an_order_proves_its_creation_and_its_state():
    """Created once, at its own time; the state by its version."""
    found = facts(order())
    assert list(found) == ["orders/create:1001", "orders/updated:1001:2026-11-01T06:09:00.000000Z"]
    created, updated = found.values()
    assert created.body() == updated.body() == snapshot(order()).body
    assert (created.occurred_at, created.version) == (datetime(2026, 11, 1, 6, 0, tzinfo=UTC), updated.version)
    assert created.carried is None
    assert updated.carried == updated.version


def test_an_order_just_created_carries_its_version():
    """Created and last changed in one second: `orders/create` alone accounts for that state."""
    created = next(iter(facts(order(updated_at=at(0))).values()))
    assert created.carried == created.version


def test_a_refund_shows_nothing_of_its_order():
    """Refunded in the very second of the last change: the order's new state still asks for `orders/updated`."""
    refund = {"id": 9, "order_id": 1001, "created_at": at(9)}
    found = facts(order(financial_status="refunded", refunds=[refund]))
    assert found["refunds/create:1001:9"].carried is None
    assert "orders/updated:1001:2026-11-01T06:09:00.000000Z" in found


def test_a_cancelled_order_proves_that_once():
    """At `cancelled_at`, between creation and last change."""
    assert list(facts(order(cancelled_at=at(5)))) == [
        "orders/create:1001",
        "orders/cancelled:1001",
        "orders/updated:1001:2026-11-01T06:09:00.000000Z",
    ]


@pytest.mark.parametrize(
    ("status", "proven"),
    [("paid", True), ("refunded", True), ("partially_refunded", True), ("pending", False), ("authorized", False),
     ("partially_paid", False), ("voided", False), ("expired", False), (None, False)],
)  # fmt: skip
def test_a_paid_order_says_so_but_not_when(status, proven):
    """`orders/paid` is known to have happened and cannot be rebuilt: its candidate says why, and is a gap (C1)."""
    found = facts(order(financial_status=status))
    assert ("orders/paid:1001" in found) is proven
    if proven:
        assert "not when" in found["orders/paid:1001"].reason


def test_refunds_and_fulfillments_are_facts_of_their_order():
    """Each by its own id and time, with its own bytes, under the order's subject so that they stay in order (H5)."""
    refund = {"id": 5, "order_id": 1001, "created_at": at(7), "note": "\u00e9"}
    parcel = {"id": 6, "order_id": 1001, "created_at": at(3), "updated_at": at(8), "status": "success"}
    found = facts(order(refunds=[refund], fulfillments=[parcel], fulfillment_status="fulfilled"))
    assert list(found) == [
        "orders/create:1001",
        "orders/fulfilled:1001:6",
        "fulfillments/create:1001:6",
        "refunds/create:1001:5",
        "fulfillments/update:1001:6:2026-11-01T06:08:00.000000Z",
        "orders/updated:1001:2026-11-01T06:09:00.000000Z",
    ]
    assert json.loads(found["refunds/create:1001:5"].body()) == refund
    assert json.loads(found["fulfillments/create:1001:6"].body()) == parcel


def test_a_child_without_its_order_is_a_gap():
    """A refund's webhook carries `order_id`; one rebuilt without it would not be faithful."""
    (found,) = facts(order(refunds=[{"id": 5, "created_at": at(7)}]), frozenset({"refunds/create"})).values()
    assert "order_id" in found.reason


def test_a_fulfillment_that_never_changed_proves_no_update():
    """`fulfillments/update` is only claimed for a change after its creation; a cancelled parcel fulfils nothing."""
    parcel = {"id": 6, "order_id": 1001, "created_at": at(3), "updated_at": at(3), "status": "cancelled"}
    found = facts(order(fulfillments=[parcel], fulfillment_status="fulfilled"))
    assert "orders/fulfilled:1001:6" not in found
    assert not [key for key in found if key.startswith("fulfillments/update")]


def test_an_order_fulfilled_in_part_is_told_apart_by_its_last_parcel():
    """Each further parcel is another fact."""
    parcels = [{"id": n, "order_id": 1001, "created_at": at(n), "updated_at": at(n)} for n in (2, 4)]
    assert "orders/partially_fulfilled:1001:4" in facts(order(fulfillments=parcels, fulfillment_status="partial"))


@pytest.mark.parametrize("resource", ["customer", "product", "draft_order"])
def test_other_resources_prove_creation_and_state(resource):
    """With `update`, where orders have `updated`."""
    body = {"id": 7, "created_at": at(0), "updated_at": at(1)}
    assert list(facts(body, resource=resource)) == [
        f"{resource}s/create:7",
        f"{resource}s/update:7:2026-11-01T06:01:00.000000Z",
    ]


@pytest.mark.parametrize(
    ("topic", "body", "subject", "key"),
    [
        ("orders/delete", {"id": 9}, "order/9", "orders/delete:9"),
        ("products/delete", {"id": 9}, "product/9", "products/delete:9"),
        ("order_transactions/create", {"id": 3, "order_id": 9}, "order/9", "order_transactions/create:9:3"),
        ("orders/edited", {"order_edit": {"id": 1}}, "None", ""),
        ("app/uninstalled", {"id": 4}, "app/4", "app/uninstalled:4"),
        ("inventory_levels/update", {"inventory_item_id": 1}, "None", ""),
    ],
)
def test_topics_no_list_shows_are_still_described(topic, body, subject, key):
    """Live deliveries of any topic are understood as far as they go, and never invented."""
    said = SHOP.describe(topic, json.dumps(body).encode(), {})
    assert (str(said.subject), said.key) == (subject, key)


def test_a_delivery_tells_its_version_and_api():
    """A live order carries the version its rebuilt state would carry (H4), whatever offset it was written in."""
    body = order(updated_at="2026-11-01T08:09:00+02:00")
    said = SHOP.describe("orders/updated", json.dumps(body).encode(), {"x-shopify-api-version": "2026-07"})
    assert said.version == snapshot(order()).version
    assert said.occurrence == iso(datetime(2026, 11, 1, 6, 9, tzinfo=UTC))
    assert (said.kind, said.api_version) == (Occurrence.STATE, "2026-07")


@given(created=st.integers(0, 4_000_000_000), later=st.integers(0, 10**8), quarters=st.integers(-14 * 4, 14 * 4))
def test_the_shops_offset_changes_nothing(created, later, quarters):
    """The same instants in any offset prove the same facts: DST in a shop's zone makes no second version (C14)."""
    zone = timezone(timedelta(minutes=15 * quarters))
    moments = {"created_at": created, "updated_at": created + later}
    here = {name: datetime.fromtimestamp(when, UTC).isoformat() for name, when in moments.items()}
    there = {name: datetime.fromtimestamp(when, zone).isoformat() for name, when in moments.items()}
    assert list(facts(order(**here))) == list(facts(order(**there)))
