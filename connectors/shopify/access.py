"""The token a shop accepts, what it may read, and how fast.

A token without a scope gets *less data, not an error* (measured on a live shop, API 2026-07), so the granted scopes
are asked for and a list that they do not cover is refused here, before an empty answer can pass for an empty shop.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from connectors.shopify.facts import RESOURCES
from connectors.shopify.settings import ShopifySettings
from reconcile.connector import Greeting
from reconcile.errors import CredentialsRefused, Rejected
from reconcile.http import Answer, ProviderClient

ORDER_MEMORY = timedelta(days=60)  # of orders, by creation, without read_all_orders
_SCOPES_PATH = "/admin/oauth/access_scopes.json"
_TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105 - a path
_FORGETS_ORDERS = (
    "the token lacks read_all_orders: orders created more than 60 days ago are invisible, even when they "
    "change today; ask Shopify for read_all_orders in the app's API access settings"
)
_LACKS = "the token lacks read_{0}: {0} cannot be read until the app is granted that and installed again"
_LEFT_FREE = 0.5  # of the bucket, for the app's own calls: it is shared by everything that uses the same app


class _Scope(msgspec.Struct):
    handle: str


class _Scopes(msgspec.Struct):
    access_scopes: list[_Scope]


class _Token(msgspec.Struct):
    access_token: str


_SCOPES = msgspec.json.Decoder(_Scopes)
_TOKEN = msgspec.json.Decoder(_Token)


class Access:
    """One shop's credentials, shared by the threads that read it."""

    def __init__(self, settings: ShopifySettings) -> None:
        self._settings = settings
        self._scopes: frozenset[str] | None = None
        static = settings.access_token
        self._headers = _headers(static.get_secret_value() if static else "")

    def headers(self) -> Mapping[str, str]:
        """The bare token (an `Authorization` header is answered with 401); none before the first grant."""
        return self._headers

    def refresh(self, client: ProviderClient) -> bool:
        """Exchange the app's id and secret for a token of 24 hours; False where the token is a static one."""
        settings = self._settings
        if settings.client_id is None or settings.client_secret is None:
            return False
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
        }
        try:
            answer = client.post(_TOKEN_PATH, form=form, idempotent=True, mutates=False)
        except Rejected as error:
            raise CredentialsRefused(f"{settings.shop}: client_id and client_secret bring no token: {error}") from None
        self._headers = _headers(answer.decode(_TOKEN).access_token)
        return True

    def greet(self, client: ProviderClient) -> Greeting:
        """Ask which scopes were granted; the shop is the account."""
        scopes = client.get_json(_SCOPES_PATH, _SCOPES).access_scopes
        self._scopes = frozenset(scope.handle for scope in scopes)
        now = client.provider_date
        forgets = self._forgets_orders()
        return Greeting(
            self._settings.shop,
            limits={"orders": now - ORDER_MEMORY} if now and forgets else {},
            about={"orders": _FORGETS_ORDERS} if forgets else {},
            unreadable={stream: _LACKS.format(stream) for stream in RESOURCES if not self._may_read(stream)},
        )

    def require(self, stream: str) -> None:
        """Raise `CredentialsRefused` if the granted scopes are known and do not let `stream` be read."""
        if not self._may_read(stream):
            raise CredentialsRefused(
                f"{self._settings.shop}: the token lacks read_{stream}, without which Shopify answers an empty list; "
                f"grant the app read_{stream} and install it again, or leave {stream} out of the source's streams"
            )

    def _may_read(self, stream: str) -> bool:
        granted = self._scopes
        return granted is None or f"read_{stream}" in granted or f"write_{stream}" in granted

    def _forgets_orders(self) -> bool:
        return self._may_read("orders") and self._scopes is not None and "read_all_orders" not in self._scopes


def pace(answer: Answer) -> float:
    """Seconds to wait so that half of the leaky bucket stays free; from `X-Shopify-Shop-Api-Call-Limit: 32/40`.

    A bucket holds twenty seconds of its leak rate on every plan (40 at 2/s, 80 at 4/s, 400 at 20/s).
    """
    used, _, size = answer.headers.get("X-Shopify-Shop-Api-Call-Limit", "").partition("/")
    if not (used.isascii() and used.isdigit() and size.isascii() and size.isdigit() and int(size) > 0):
        return 0.0
    return min(20.0, max(0.0, (int(used) / int(size) - _LEFT_FREE) * 20.0))


def _headers(token: str) -> dict[str, str]:
    return {"Accept": "application/json"} | ({"X-Shopify-Access-Token": token} if token else {})
