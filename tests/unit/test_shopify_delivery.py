"""Identifying, verifying and signing Shopify deliveries."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.shopify import Shopify, ShopifySettings
from reconcile.connector import Delivery, Identity
from reconcile.errors import DeliveryRefused
from reconcile.model import Event, Origin, Subject

SHOP = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
NOW = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
BODY = b'{"id":820982911946154508,"email":"jon@example.com"}'
HUSH = "D0UMXmhjwBRi4y66TmhJrDlhQABD7zI2fm3p6/QLMo8="  # of BODY with the secret "hush", by Shopify's own package


def delivery(headers, body=BODY):
    return Delivery(headers, body, NOW)


def event(**changes):
    given = {
        "id": "11111111-2222-5333-8444-555555555555", "source": "s", "topic": "orders/create",
        "subject": Subject("order", "1"), "version": 1, "occurred_at": datetime(2026, 11, 1, 9, 0, tzinfo=UTC),
        "data": None, "body": BODY, "headers": {}, "api_version": "", "origin": Origin.BACKFILL, "reconstructed": True,
    }  # fmt: skip
    return Event(**{**given, **changes})


@pytest.mark.parametrize("name", ["x-shopify-hmac-sha256", "shopify-hmac-sha256"])
def test_both_families_of_headers_are_verified(name):
    """Webhooks, and the newer events without `X-`, are signed alike."""
    SHOP.verify(delivery({name: HUSH}), ["hush"])


@pytest.mark.parametrize(
    ("signature", "secrets"),
    [
        (HUSH, ["hushh"]),
        (HUSH, [""]),
        (HUSH, []),
        (HUSH, ["hush "]),
        (HUSH[:-1], ["hush"]),
        (HUSH + "=", ["hush"]),
        (HUSH.lower(), ["hush"]),
        (" " + HUSH, ["hush"]),
        ("", ["hush"]),
        ("D0UM", ["hush"]),
        (HUSH.replace("/", "\u2215"), ["hush"]),
    ],
)
def test_forged_signatures_are_refused(signature, secrets):
    """Nothing but the whole digest of the whole body with a real secret counts (X3)."""
    with pytest.raises(DeliveryRefused) as refusal:
        SHOP.verify(delivery({"x-shopify-hmac-sha256": signature}), secrets)
    assert refusal.value.status == 401


@given(st.text(), st.binary(max_size=64))
def test_any_other_signature_is_refused_without_a_crash(signature, body):
    """Whatever text the header holds, the answer is a refusal."""
    with pytest.raises(DeliveryRefused):
        SHOP.verify(delivery({"x-shopify-hmac-sha256": signature}, body), ["hush"])


@given(st.binary(max_size=200), st.text(min_size=1).filter(str.strip))
def test_what_it_signs_it_verifies(body, secret):
    """Any body, any secret, non-ASCII ones too (H10)."""
    try:
        secret.encode()
    except UnicodeEncodeError:
        return
    signed = SHOP.sign(event(body=body), secret, NOW)
    SHOP.verify(delivery({name.lower(): value for name, value in signed.items()}, body), [secret])


def test_a_delivery_names_itself_in_its_headers():
    """Id and topic are read before the body is; the newer family names resource and action apart."""
    assert SHOP.identify(delivery({"x-shopify-webhook-id": "w1", "x-shopify-topic": "orders/create"})) == Identity(
        "w1", "orders/create"
    )
    newer = {"shopify-webhook-id": "w2", "shopify-topic": "Product", "shopify-action": "update"}
    assert SHOP.identify(delivery(newer)) == Identity("w2", "Product/update")


@pytest.mark.parametrize("headers", [{}, {"x-shopify-topic": "orders/create"}, {"x-shopify-webhook-id": "w1"}])
def test_a_nameless_delivery_is_a_bad_request(headers):
    """Shopify always sends both."""
    with pytest.raises(DeliveryRefused) as refusal:
        SHOP.identify(delivery(headers))
    assert refusal.value.status == 400


def test_a_replay_carries_all_that_the_sdk_insists_on():
    """Signed now, with ids that every attempt repeats, so that a receiver that dedupes by them does so (H3)."""
    signed = SHOP.sign(event(), "hush", NOW)
    assert signed == {
        "Content-Type": "application/json",
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Hmac-Sha256": HUSH,
        "X-Shopify-Shop-Domain": "acme.myshopify.com",
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": "11111111-2222-5333-8444-555555555555",
        "X-Shopify-Event-Id": signed["X-Shopify-Event-Id"],
        "X-Shopify-Triggered-At": "2026-11-01T09:00:00.000000Z",
    }
    assert uuid.UUID(signed["X-Shopify-Event-Id"]).version == 5
    assert SHOP.sign(event(), "hush", NOW) == signed


def test_a_replayed_live_delivery_keeps_what_it_came_with():
    """Event id, time and version are those of the original delivery."""
    headers = {"x-shopify-event-id": "e1", "x-shopify-triggered-at": "2026-11-01T08:59:00Z"}
    signed = SHOP.sign(event(id="w1", headers=headers, api_version="2026-07"), "hush", NOW)
    assert signed["X-Shopify-Event-Id"] == "e1"
    assert signed["X-Shopify-Triggered-At"] == "2026-11-01T08:59:00Z"
    assert (signed["X-Shopify-Webhook-Id"], signed["X-Shopify-API-Version"]) == ("w1", "2026-07")
