"""`webhooks.json`: listing, making, changing and deleting subscriptions over REST."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import msgspec

from reconcile.sandbox.fake import Json, Refusal
from reconcile.sandbox.shopify.hooks import Hook, Hooks
from reconcile.sandbox.shopify.listing import DEFAULT_LIMIT, limit_of, only

_TOPICS = """
    app/uninstalled bulk_operations/finish carts/create carts/update checkouts/create checkouts/delete checkouts/update
    collections/create collections/delete collections/update customers/create customers/delete customers/disable
    customers/enable customers/merge customers/update disputes/create disputes/update draft_orders/create
    draft_orders/delete draft_orders/update fulfillments/create fulfillments/update inventory_items/create
    inventory_items/delete inventory_items/update inventory_levels/connect inventory_levels/disconnect
    inventory_levels/update order_transactions/create orders/cancelled orders/create orders/delete orders/edited
    orders/fulfilled orders/link_requested orders/paid orders/partially_fulfilled orders/risk_assessment_changed
    orders/shopify_protect_eligibility_changed orders/updated products/create products/delete products/update
    refunds/create returns/approve returns/cancel returns/close returns/decline returns/reopen returns/request
    shop/update tender_transactions/create customer.tags_added customer.joined_segment
"""
TOPICS = frozenset(_TOPICS.split())
NOT_FOUND = {"errors": "Not Found"}
FORMATS = ("json", "xml")
_FILTERS = ("topic", "address", "since_id")
Answered = tuple[Json, int, dict[str, str]]


class HooksApi:
    """Answers for paths that start with `webhooks`. Compliance topics cannot be made here, as at Shopify.

    Shopify's pages tell in two ways which API version a subscription has: that of the request that made it, or the
    one the app is configured with, which is `app_version` if it is set.
    """

    def __init__(self, hooks: Hooks, stamp: Callable[[datetime], str], app_version: str = "") -> None:
        self._hooks = hooks
        self._stamp = stamp
        self._app_version = app_version

    def answer(self, request: httpx.Request, path: str, version: str) -> Answered:
        """Body, status and headers; raises `Refusal`."""
        parts = path.split("/")
        method = request.method
        if len(parts) == 1:
            return self._collection(request, method, version)
        if parts[1:] == ["count"] and method == "GET":
            return {"count": len(self._matching(_params(request)))}, 200, {}
        hook = self._hooks.get(int(parts[1])) if parts[1].isdecimal() and len(parts) == 2 else None
        if hook is None:
            raise Refusal(404, NOT_FOUND)
        return self._one(request, method, hook)

    def _collection(self, request: httpx.Request, method: str, version: str) -> Answered:
        if method == "POST":
            return {"webhook": self._show(self._create(_asked(request), self._app_version or version))}, 201, {}
        if method != "GET":
            raise Refusal(404, NOT_FOUND)
        params = _params(request)
        fields, limit = params.get("fields", ""), limit_of(params) or DEFAULT_LIMIT
        question = _question(params)
        found = self._matching(question)
        shown = [self._show(hook) for hook in found[:limit]]
        more = {**question, "since_id": str(found[limit - 1].id)} if len(found) > limit else None
        body = {"webhooks": [only(fields, hook) if fields else hook for hook in shown]}
        return body, 200, _link(request, limit, more) if more else {}

    def _matching(self, params: dict[str, str]) -> list[Hook]:
        since = int(params.get("since_id", "0") or 0)
        found = [hook for hook in self._hooks if not hook.app_specific and hook.id > since]
        for name in ("topic", "address"):
            if name in params:
                found = [hook for hook in found if getattr(hook, name) == params[name]]
        return sorted(found, key=lambda hook: hook.id)

    def _one(self, request: httpx.Request, method: str, hook: Hook) -> Answered:
        if method == "DELETE":
            self._hooks.remove(hook.id)
            return {}, 200, {}
        if method == "PUT":
            self._change(hook, _asked(request))
        elif method != "GET":
            raise Refusal(404, NOT_FOUND)
        return {"webhook": self._show(hook)}, 200, {}

    def _create(self, asked: Json, version: str) -> Hook:
        topic, address = str(asked.get("topic", "")), str(asked.get("address", ""))
        if topic not in TOPICS:
            text = f"Invalid topic specified: {topic}. Topics allowed: app/uninstalled, orders/create, …"
            raise Refusal(422, {"errors": {"topic": [text]}})
        self._check_address(topic, address)
        return self._hooks.add(
            topic,
            address,
            api_version=version,
            format_=_format(asked),
            fields=asked.get("fields") or (),
            metafield_namespaces=asked.get("metafield_namespaces") or (),
        )

    def _change(self, hook: Hook, asked: Json) -> None:
        """Address, format and fields only: a subscription keeps its topic and its API version."""
        format_ = _format({"format": hook.format, **asked})
        if "address" in asked:
            self._check_address(hook.topic, str(asked["address"]), but=hook.id)
            hook.address = str(asked["address"])
        if "fields" in asked:
            hook.fields = tuple(asked["fields"] or ())
        hook.format = format_
        hook.updated_at = self._hooks.now()

    def _check_address(self, topic: str, address: str, but: int = 0) -> None:
        url = urlsplit(address)
        if not address:
            raise Refusal(422, {"errors": {"address": ["can't be blank"]}})
        if url.scheme != "https" or not url.hostname:
            raise Refusal(422, {"errors": {"address": [f"protocol {url.scheme or 'http'}:// is not supported"]}})
        if self._hooks.taken(topic, address, but):
            raise Refusal(422, {"errors": {"address": ["for this topic has already been taken"]}})

    def _show(self, hook: Hook) -> Json:
        return {
            "id": hook.id, "address": hook.address, "topic": hook.topic,
            "created_at": self._stamp(hook.created_at), "updated_at": self._stamp(hook.updated_at),
            "format": hook.format, "fields": list(hook.fields),
            "metafield_namespaces": list(hook.metafield_namespaces), "api_version": hook.api_version,
            "private_metafield_namespaces": [],
            "admin_graphql_api_id": f"gid://shopify/WebhookSubscription/{hook.id}",
        }  # fmt: skip


def _asked(request: httpx.Request) -> Json:
    try:
        root: Any = msgspec.json.decode(request.content)
    except ValueError as error:
        raise Refusal(400, {"errors": {"webhook": "Required parameter missing or invalid"}}) from error
    if not isinstance(root, dict) or not isinstance(root.get("webhook"), dict):
        raise Refusal(400, {"errors": {"webhook": "Required parameter missing or invalid"}})
    asked: Json = root["webhook"]
    return asked


def _params(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))


def _format(asked: Json) -> str:
    named = str(asked.get("format", "json"))
    if named not in FORMATS:
        raise Refusal(422, {"errors": {"format": ["is not included in the list"]}})
    return named


def _question(params: dict[str, str]) -> dict[str, str]:
    """What a page is asked for: by its filters, or by a cursor, which stands for the filters and takes none beside."""
    named = {name: params[name] for name in _FILTERS if name in params}
    if "page_info" not in params:
        return named
    for name in named:
        text = f"{name} cannot be passed when page_info is present."
        raise Refusal(400, {"errors": {name: text}})
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(params["page_info"]), type=dict[str, str])
    except ValueError as error:
        raise Refusal(400, {"errors": {"page_info": "Invalid value."}}) from error


def _link(request: httpx.Request, limit: int, question: dict[str, str]) -> dict[str, str]:
    base = f"{request.url.scheme}://{request.url.netloc.decode()}{request.url.path}"
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(question)).decode()
    return {"Link": f'<{base}?{urlencode({"limit": limit, "page_info": cursor})}>; rel="next"'}
