"""The REST Admin API of a fake shop. GraphQL is not part of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec

from reconcile.clock import Clock
from reconcile.sandbox.fake import Json, Lag, Refusal, respond
from reconcile.sandbox.shopify import listing
from reconcile.sandbox.shopify.access import PLANS, Bucket, Tokens
from reconcile.sandbox.shopify.catalog import Catalog
from reconcile.sandbox.shopify.hooks import Hook, Signing
from reconcile.sandbox.shopify.hooks_api import HooksApi
from reconcile.sandbox.shopify.store import Version
from reconcile.sandbox.truth import Delivery

VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10")
SCOPES = (
    "read_orders",
    "read_all_orders",
    "read_customers",
    "read_products",
    "read_draft_orders",
    "read_fulfillments",
)
SCOPE_OF = {"orders": "read_orders", "customers": "read_customers", "products": "read_products",
            "draft_orders": "read_draft_orders"}  # fmt: skip
ROOT_OF = {"orders": "order", "customers": "customer", "products": "product", "draft_orders": "draft_order"}
CHILDREN = ("refunds", "transactions", "fulfillments")
ORDER_WINDOW = timedelta(days=60)  # how far back orders are seen without `read_all_orders`
NOT_FOUND = {"errors": "Not Found"}
_VERSIONED = re.compile(r"/admin/api/([^/]+)/(.+)\.json")
_ROUTES = (
    (re.compile(r"(orders|customers|products|draft_orders)"), "_list"),
    (re.compile(r"(orders|customers|products|draft_orders)/count"), "_count"),
    (re.compile(r"(orders|customers|products|draft_orders)/(\d+)"), "_read"),
    (re.compile(r"orders/(\d+)/(refunds|transactions|fulfillments)"), "_children"),
    (re.compile(r"orders/(\d+)/(refunds|transactions|fulfillments)/(\d+)"), "_child"),
    (re.compile(r"shop"), "_shop"),
)


class FakeShopify(Catalog):
    """One shop and one app installed in it.

    `scopes`: what is granted; without `read_orders` and the like lists are empty, without `read_all_orders` orders
    created over 60 days ago are invisible: both in silence. `versions` are those supported, oldest first; `lag` is
    how many seconds a change takes to show in lists. `plan` sets the rate limit; `throttle=False` lifts it.
    `order_parameter` honours the undocumented `order=updated_at asc`. `draft_status`: the status draft orders are
    listed by when none is asked for, "" for all; public pages differ. `hook_version`: the API version the app has for
    its subscriptions, "" where each has that of the request that made it; public pages differ.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        shop: str = "acme.myshopify.com",
        access_token: str = "shpat_dummy",
        client: tuple[str, str] = ("client_dummy", "shpss_dummy"),
        webhook_secret: str = "",
        scopes: Sequence[str] = SCOPES,
        timezone: str = "America/New_York",
        versions: Sequence[str] = VERSIONS,
        lag: Lag = 0.0,
        plan: str = "standard",
        throttle: bool = True,
        seed: int = 0,
        keeps_webhook_id: bool = True,
        order_parameter: bool = True,
        draft_status: str = "",
        hook_version: str = "",
    ) -> None:
        signing = Signing(shop, [webhook_secret or client[1]], keeps_webhook_id)
        super().__init__(clock, seed, lag, timezone, signing)
        self.shop = shop
        self.scopes = set(scopes)
        self.versions = tuple(versions)
        self.tokens = Tokens(clock, self.dice, client)
        if access_token:
            self.tokens.allow(access_token)
        self.bucket = Bucket(PLANS[plan], clock) if throttle else None
        self.order_parameter = order_parameter
        self.draft_status = draft_status
        self.hooks_api = HooksApi(self.hooks, self.stamp, hook_version)

    def subscribe(self, topic: str, address: str, *, fields: Sequence[str] = (), app_specific: bool = False) -> Hook:
        """Make a subscription without asking the API; `app_specific` ones are invisible to it."""
        return self.hooks.add(topic, address, api_version=self.versions[-1], fields=fields, app_specific=app_specific)

    def headers_of(self, delivery: Delivery) -> dict[str, str]:
        """Headers of an attempt to deliver, signed."""
        with self.lock:
            return self.hooks.headers(delivery)

    def owed(self, delivery: Delivery) -> bool:
        """Whether the provider would still send it."""
        with self.lock:
            return self.hooks.owed(delivery)

    def report(self, delivery: Delivery, *, ok: bool) -> float | None:
        """Note how an attempt went; seconds until the next one, None if there will be none."""
        with self.lock:
            return self.hooks.report(delivery, ok=ok)

    def rotate_secret(self, secret: str, *, revoke_old: bool = False) -> None:
        """Add a secret. The oldest unrevoked one goes on signing until it is revoked."""
        kept = [] if revoke_old else self.hooks.signing.secrets
        self.hooks.signing.secrets = [*kept, secret]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/admin/oauth/access_token" and request.method == "POST":
            return self._ok(self.tokens.grant(request, ",".join(sorted(self.scopes))), {})
        self.tokens.check(request)
        headers = {"X-Request-Id": self.dice.uuid(), "X-Shopify-API-Version": self.versions[0]}
        if self.bucket is not None:
            headers["X-Shopify-Shop-Api-Call-Limit"] = self.bucket.take()
        if path == "/admin/oauth/access_scopes.json":
            return self._ok({"access_scopes": [{"handle": scope} for scope in sorted(self.scopes)]}, headers)
        return self._versioned(request, headers)

    def _versioned(self, request: httpx.Request, headers: dict[str, str]) -> httpx.Response:
        match = _VERSIONED.fullmatch(request.url.path)
        if match is None:
            raise Refusal(404, NOT_FOUND, headers)
        headers["X-Shopify-API-Version"] = version = self._served(match[1])
        try:
            return self._dispatch(request, match[2], version, headers)
        except Refusal as refusal:
            raise Refusal(refusal.status, refusal.body, {**headers, **refusal.headers}) from refusal

    def _served(self, asked: str) -> str:
        if asked in self.versions:
            return asked
        if re.fullmatch(r"\d{4}-(01|04|07|10)", asked) and asked < self.versions[0]:
            return self.versions[0]  # a retired version falls forward in silence
        raise Refusal(404, NOT_FOUND)

    def _dispatch(self, request: httpx.Request, path: str, version: str, headers: dict[str, str]) -> httpx.Response:
        if path == "webhooks" or path.startswith("webhooks/"):
            body, status, link = self.hooks_api.answer(request, path, version)
            return self._ok(body, {**headers, **link}, status)
        for pattern, name in _ROUTES:
            match = pattern.fullmatch(path)
            if match and request.method == "GET":
                answer: Callable[..., httpx.Response] = getattr(self, name)
                return answer(request, headers, *match.groups())
        raise Refusal(404, NOT_FOUND)

    def _ok(self, body: Json, headers: dict[str, str], status: int = 200) -> httpx.Response:
        return respond(status, msgspec.json.encode(body), headers)

    def _list(self, request: httpx.Request, headers: dict[str, str], resource: str) -> httpx.Response:
        question = self._question(request, resource)
        answered = listing.page(question, self._visible(resource), self.clock.now())
        base = f"{request.url.scheme}://{request.url.netloc.decode()}{request.url.path}"
        headers |= listing.link_header(base, question.limit, answered) | _deprecation(resource)
        return respond(200, _page_body(resource, question.params.get("fields", ""), answered.items), headers)

    def _question(self, request: httpx.Request, resource: str) -> listing.Question:
        params = query(request)
        if resource == "draft_orders" and self.draft_status and "page_info" not in params:
            params.setdefault("status", self.draft_status)
        return listing.ask(resource, params, self.clock.now(), self.zone, ordered=self.order_parameter)

    def _visible(self, resource: str) -> Sequence[Version]:
        if SCOPE_OF[resource] not in self.scopes:
            return ()
        return [v for v in self.tables[resource].listed(self.clock.now()) if self._in_window(resource, v)]

    def _in_window(self, resource: str, version: Version) -> bool:
        if resource != "orders" or "read_all_orders" in self.scopes:
            return True
        return version.created >= int((self.clock.now() - ORDER_WINDOW).timestamp())

    def _count(self, request: httpx.Request, headers: dict[str, str], resource: str) -> httpx.Response:
        found = listing.matching(self._question(request, resource), self._visible(resource))
        return self._ok({"count": len(found)}, headers)

    def _read(self, request: httpx.Request, headers: dict[str, str], resource: str, text: str) -> httpx.Response:
        body = self._body(resource, int(text))
        fields = query(request).get("fields", "")
        headers |= _deprecation(resource)
        return self._ok({ROOT_OF[resource]: listing.only(fields, body) if fields else body}, headers)

    def _body(self, resource: str, resource_id: int) -> Json:
        version = self.tables[resource].current(resource_id)
        if version is None or version.body is None or SCOPE_OF[resource] not in self.scopes:
            raise Refusal(404, NOT_FOUND)
        if not self._in_window(resource, version):
            raise Refusal(404, NOT_FOUND)
        return version.body

    def _children(self, request: httpx.Request, headers: dict[str, str], text: str, kind: str) -> httpx.Response:
        children = self._children_of(int(text), kind)
        params = query(request)
        if kind != "refunds" and params.get("since_id", "").isdecimal():
            children = [child for child in children if child["id"] > int(params["since_id"])]
        limit = listing.limit_of(params) or listing.DEFAULT_LIMIT
        return self._ok({kind: children if kind == "transactions" else children[:limit]}, headers)

    def _child(self, _: httpx.Request, headers: dict[str, str], text: str, kind: str, child_id: str) -> httpx.Response:
        for child in self._children_of(int(text), kind):
            if child["id"] == int(child_id):
                return self._ok({kind.removesuffix("s"): child}, headers)
        raise Refusal(404, NOT_FOUND)

    def _children_of(self, order_id: int, kind: str) -> list[dict[str, Any]]:
        order = self._body("orders", order_id)
        return list(self.transactions[order_id] if kind == "transactions" else order[kind])

    def _shop(self, _: httpx.Request, headers: dict[str, str]) -> httpx.Response:
        shop = {
            "id": 690933842, "name": self.shop.split(".")[0], "domain": self.shop,
            "myshopify_domain": self.shop, "currency": "USD", "iana_timezone": str(self.zone),
            "plan_name": "basic", "eligible_for_payments": True,
        }  # fmt: skip
        return self._ok({"shop": shop}, headers)


def query(request: httpx.Request) -> dict[str, str]:
    """Query parameters; a bare `+` is a space, as anywhere on the web."""
    return dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))


def _deprecation(resource: str) -> dict[str, str]:
    reason = "https://shopify.dev/changelog/deprecation-timelines-related-to-the-new-graphql-product-apis"
    return {"X-Shopify-API-Deprecated-Reason": reason} if resource == "products" else {}


def _page_body(resource: str, fields: str, items: Sequence[Version]) -> bytes:
    if fields:
        bodies = [msgspec.json.encode(listing.only(fields, item.body)) for item in items if item.body]
    else:
        bodies = [item.encoded for item in items]
    return b'{"' + resource.encode() + b'":[' + b",".join(bodies) + b"]}"
