"""Asking the fake providers as a client would, in one process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
API = "/admin/api/2026-10"


def shop_client(shop: FakeShopify, token: str = "shpat_dummy") -> httpx.Client:
    """A client of a shop."""
    headers = {"X-Shopify-Access-Token": token}
    return httpx.Client(
        base_url="https://acme.myshopify.com", transport=httpx.MockTransport(shop.handle), headers=headers
    )


def shop_get(shop: FakeShopify, path: str, **params: Any) -> httpx.Response:
    """One request of the REST API."""
    return shop_client(shop).get(f"{API}/{path}", params=params)


def shop_ids(answer: httpx.Response, root: str = "orders") -> list[Any]:
    """The ids on a page of a list."""
    return [item["id"] for item in answer.json()[root]]


def stripe_client(stripe: FakeStripe, **headers: str) -> httpx.Client:
    """A client of an account."""
    return httpx.Client(
        base_url="https://api.stripe.com",
        transport=httpx.MockTransport(stripe.handle),
        headers={"Authorization": "Bearer sk_test_dummy", **headers},
    )


def stripe_get(stripe: FakeStripe, path: str, **params: Any) -> httpx.Response:
    """One request of the API."""
    return stripe_client(stripe).get(f"/v1/{path}", params=params)


def stripe_ids(answer: httpx.Response) -> list[str]:
    """The ids on a page of a list, which must be one."""
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]]


def refused(answer: httpx.Response, status: int = 400, code: str | None = None) -> dict[str, Any]:
    """Stripe's error, which the answer must be."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error.get("code") == code
    return error
