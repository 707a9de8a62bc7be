"""A shop's token, its renewal, and the pace its bucket allows."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from connectors.shopify import Shopify, ShopifySettings
from connectors.shopify.access import pace
from reconcile.connector import StreamRef
from reconcile.errors import CredentialsRefused
from reconcile.http import Answer, ProviderClient, RateBudget
from reconcile.model import Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify
from reconcile.testing.worlds import client_for

START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def granted():
    return Shopify(ShopifySettings(shop="acme.myshopify.com", client_id="client_dummy", client_secret="shpss_dummy"))


def test_a_token_is_fetched_when_it_is_needed_and_again_when_it_ends():
    """A grant lives 24 hours: the first request and the first after that day each ask for a new one, once."""
    clock = SettableClock(START)
    fake = FakeShopify(clock=clock, client=("client_dummy", "shpss_dummy"))
    connector = granted()
    client = client_for(connector, fake.handle, clock)
    connector.greet(client)
    connector.greet(client)
    clock.advance(25 * 3600)
    connector.greet(client)
    grants = [seen for seen in fake.requests if seen.path == "/admin/oauth/access_token"]
    assert [seen.status for seen in grants] == [200, 200]
    assert all("access_token" not in seen.query for seen in fake.requests)
    assert client.mutations == 0


def test_credentials_that_bring_no_token_are_refused():
    """A wrong client secret is the operator's to mend, asked for once, and not shown (X1)."""
    fake = FakeShopify(clock=SettableClock(START), client=("client_dummy", "another"))
    connector = granted()
    with pytest.raises(CredentialsRefused) as refusal:
        connector.greet(client_for(connector, fake.handle))
    assert "shpss_dummy" not in str(refusal.value)
    assert len([seen for seen in fake.requests if seen.path == "/admin/oauth/access_token"]) == 1


def test_a_static_token_is_not_renewed():
    """A revoked shpat_ token stays refused: there is nothing to exchange for another."""
    fake = FakeShopify(clock=SettableClock(START))
    fake.tokens.revoke("shpat_dummy")
    connector = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
    with pytest.raises(CredentialsRefused):
        connector.greet(client_for(connector, fake.handle))
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1/40", 0.0),
        ("20/40", 0.0),
        ("21/40", 0.5),
        ("40/40", 10.0),
        ("44/80", 1.0),
        ("9000/40", 20.0),
        ("", 0.0),
        ("40", 0.0),
        ("a/b", 0.0),
        ("1/0", 0.0),
        ("-5/40", 0.0),
        ("٣/40", 0.0),
    ],
)
def test_half_of_the_bucket_is_left_to_the_app(header, seconds):
    """The wait is what the bucket needs to leak back to half; a header that says nothing asks for nothing (H11)."""
    headers = httpx.Headers({"X-Shopify-Shop-Api-Call-Limit": header.encode()})
    assert pace(Answer(200, headers, b"", "https://acme.myshopify.com/")) == pytest.approx(seconds)


def test_a_long_listing_never_overruns_the_bucket():
    """Two hundred pages as fast as they go meet no 429 from a standard shop."""
    clock = SettableClock(START)
    fake = FakeShopify(clock=clock)
    connector = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
    client = ProviderClient(
        source="shop", origin=connector.origin(), headers=connector.headers, clock=clock, pace=connector.pace,
        budget=RateBudget(connector.facts.rate, clock), transport=httpx.MockTransport(fake.handle),
    )  # fmt: skip
    for _ in range(200):
        list(connector.pages(client, StreamRef("orders"), Window(START, START), ()))
    assert {seen.status for seen in fake.requests} == {200}


def test_subscriptions_are_all_of_this_app():
    """Every page of webhooks is read; an address and a topic make one subscription, always enabled (S6)."""
    fake = FakeShopify(clock=SettableClock(START))
    fake.subscribe("orders/create", "https://hooks.acme.example/a")
    fake.subscribe("orders/updated", "https://other.example/b")
    fake.subscribe("orders/paid", "https://hooks.acme.example/a", app_specific=True)
    connector = Shopify(ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy"))
    found = list(connector.subscriptions(client_for(connector, fake.handle)))
    assert [(one.topics, one.url, one.enabled, one.api_version) for one in found] == [
        (("orders/create",), "https://hooks.acme.example/a", True, "2026-10"),
        (("orders/updated",), "https://other.example/b", True, "2026-10"),
    ]
