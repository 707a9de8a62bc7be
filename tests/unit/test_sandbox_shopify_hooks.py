"""Webhook subscriptions of the fake shop, and what is owed to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from support.fakes import API
from support.fakes import shop_client as client
from support.fakes import shop_get as get
from support.fakes import shop_ids as ids

from reconcile.sandbox.shopify import FakeShopify

URL = "https://hooks.acme.example/webhooks/shop"


# subscriptions


def subscribe(shop, topic="orders/create", address=URL, version="2026-10", **more):
    body = {"webhook": {"topic": topic, "address": address, "format": "json", **more}}
    return client(shop).post(f"/admin/api/{version}/webhooks.json", json=body)


def test_a_subscription_is_made_listed_moved_and_deleted(shop):
    """S2: webhooks.json lists, makes, re-addresses and deletes; the version is that of the URL it was made by."""
    made = subscribe(shop, version="2026-04")
    assert made.status_code == 201
    hook = made.json()["webhook"]
    assert (hook["topic"], hook["address"], hook["api_version"]) == ("orders/create", URL, "2026-04")
    path = f"webhooks/{hook['id']}.json"
    assert get(shop, path).json()["webhook"] == hook
    moved = client(shop).put(f"{API}/{path}", json={"webhook": {"address": URL + "2", "topic": "orders/paid"}})
    assert moved.json()["webhook"]["address"] == URL + "2"
    assert moved.json()["webhook"]["topic"] == "orders/create"
    assert ids(get(shop, "webhooks.json", topic="orders/create"), "webhooks") == [hook["id"]]
    assert get(shop, "webhooks/count.json").json() == {"count": 1}
    assert client(shop).delete(f"{API}/{path}").status_code == 200
    assert get(shop, path).status_code == 404


@pytest.mark.parametrize(
    ("topic", "address", "errors"),
    [
        ("orders/create", URL, {"address": ["for this topic has already been taken"]}),
        ("orders/paid", "http://hooks.acme.example/x", {"address": ["protocol http:// is not supported"]}),
        ("orders/paid", "", {"address": ["can't be blank"]}),
    ],
)
def test_refused_subscriptions(shop, topic, address, errors):
    """A duplicate (topic, address), plain http and no address are 422."""
    assert subscribe(shop).status_code == 201
    refused = subscribe(shop, topic, address)
    assert (refused.status_code, refused.json()) == (422, {"errors": errors})


@pytest.mark.parametrize("topic", ["orders/update", "customers/redact", "nonsense"])
def test_unknown_and_compliance_topics_are_refused(shop, topic):
    """`orders/update` is no topic (it is orders/updated), and compliance topics are not made over the API."""
    refused = subscribe(shop, topic)
    assert refused.status_code == 422
    assert "topic" in refused.json()["errors"]


def test_a_body_without_its_root_is_refused(shop):
    """A subscription needs the `webhook` root."""
    answer = client(shop).post(f"{API}/webhooks.json", json={"topic": "orders/create", "address": URL})
    assert answer.status_code == 400
    assert client(shop).post(f"{API}/webhooks.json", content=b"{").status_code == 400


def test_app_specific_subscriptions_are_invisible(shop):
    """A subscription of the app's own file delivers, and no API call sees it."""
    hook = shop.subscribe("orders/create", URL, app_specific=True)
    shop.create_order()
    assert len(shop.outbox) == 1
    assert get(shop, "webhooks.json").json() == {"webhooks": []}
    assert get(shop, f"webhooks/{hook.id}.json").status_code == 404


# deliveries


def test_the_official_signature_vector(clock):
    """X-Shopify-Hmac-Sha256 equals what Shopify's own library computes."""
    shop = FakeShopify(clock=clock, webhook_secret="hush")
    body = b'{"id":820982911946154508,"email":"jon@example.com"}'
    assert shop.hooks.signing.hmac(body) == "D0UMXmhjwBRi4y66TmhJrDlhQABD7zI2fm3p6/QLMo8="
    assert shop.hooks.signing.hmac(body + b" ") != shop.hooks.signing.hmac(body)


def test_what_a_delivery_carries(shop):
    """All required headers are there; two subscribers get different webhook ids and one event id."""
    shop.subscribe("orders/create", URL)
    shop.subscribe("orders/updated", URL, fields=["id", "updated_at"])
    order = shop.create_order()
    created, updated = shop.outbox
    headers = shop.headers_of(created)
    assert headers["X-Shopify-Topic"] == "orders/create"
    assert headers["X-Shopify-Shop-Domain"] == "acme.myshopify.com"
    assert headers["X-Shopify-API-Version"] == "2026-10"
    assert headers["X-Shopify-Triggered-At"] == "2026-10-01T12:00:00.000000Z"
    digest = hmac.new(b"shpss_dummy", created.body, hashlib.sha256).digest()
    assert headers["X-Shopify-Hmac-Sha256"] == base64.b64encode(digest).decode()
    other = shop.headers_of(updated)
    assert headers["X-Shopify-Webhook-Id"] != other["X-Shopify-Webhook-Id"]
    assert headers["X-Shopify-Event-Id"] == other["X-Shopify-Event-Id"]
    assert json.loads(updated.body) == {"id": order, "updated_at": "2026-10-01T08:00:00-04:00"}


@pytest.mark.parametrize("keeps", [True, False])
def test_whether_a_retry_keeps_its_webhook_id_is_a_switch(clock, keeps):
    """H4: public reports differ on the webhook id of retries, so both worlds can be had; the event id always stays."""
    shop = FakeShopify(clock=clock, keeps_webhook_id=keeps)
    shop.subscribe("orders/create", URL)
    shop.create_order()
    delivery = shop.outbox.popleft()
    sent = []
    for delivery.attempts in (1, 2):
        sent.append(shop.headers_of(delivery))
    assert (sent[0]["X-Shopify-Webhook-Id"] == sent[1]["X-Shopify-Webhook-Id"]) is keeps
    assert sent[0]["X-Shopify-Event-Id"] == sent[1]["X-Shopify-Event-Id"]


def test_the_oldest_unrevoked_secret_signs(shop):
    """A new secret signs nothing until the old one is revoked."""
    before = shop.hooks.signing.hmac(b"{}")
    shop.rotate_secret("shpss_dummy_2")
    assert shop.hooks.signing.hmac(b"{}") == before
    shop.rotate_secret("shpss_dummy_3", revoke_old=True)
    assert shop.hooks.signing.hmac(b"{}") != before


def test_eight_failures_in_a_row_delete_the_subscription(shop):
    """S1: after 8 consecutive failures the subscription is gone; one success in between starts the count anew."""
    shop.subscribe("orders/create", URL)
    shop.create_order()
    delivery = shop.outbox.popleft()
    outcomes = [False] * 7 + [True] + [False] * 8
    waits = []
    for ok in outcomes:
        assert shop.owed(delivery)
        delivery.attempts = 1
        waits.append(shop.report(delivery, ok=ok))
    assert not shop.owed(delivery)
    assert waits[7] is None
    assert waits[-1] is None
    assert get(shop, "webhooks.json").json() == {"webhooks": []}
    assert [hook.topic for hook in shop.hooks.deleted_for_failing] == ["orders/create"]


def test_retries_end_within_four_hours(shop):
    """8 retries, ever further apart, over 4 hours in all."""
    shop.subscribe("orders/create", URL, app_specific=True)
    shop.create_order()
    delivery = shop.outbox.popleft()
    waits = []
    for delivery.attempts in range(1, 10):
        waits.append(shop.report(delivery, ok=False))
    assert waits[-1] is None
    assert len(waits) == 9
    assert timedelta(hours=3.5) < timedelta(seconds=sum(waits[:-1])) <= timedelta(hours=4)


def test_the_log_of_requests_tells_reads_from_changes(shop):
    """S5: every request is kept with its method and status."""
    get(shop, "orders.json", limit=5)
    subscribe(shop)
    assert [(seen.method, seen.path, seen.status) for seen in shop.requests] == [
        ("GET", f"{API}/orders.json", 200),
        ("POST", f"{API}/webhooks.json", 201),
    ]
    assert shop.requests[0].query == "limit=5"
