"""The webhook subscriptions of this app in one shop. One made in the app's own file is invisible to the API."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from connectors.shopify.listing import next_link
from reconcile.connector import Subscription
from reconcile.http import ProviderClient


class _Webhook(msgspec.Struct):
    id: int
    topic: str
    address: str
    api_version: str | None = None


class _Webhooks(msgspec.Struct):
    webhooks: list[_Webhook]


_WEBHOOKS = msgspec.json.Decoder(_Webhooks)


def subscriptions(client: ProviderClient, shop: str, api_version: str) -> Iterator[Subscription]:
    """All of them. Shopify knows no disabled state: a failing subscription is deleted after 8 failures in a row."""
    url = f"/admin/api/{api_version}/webhooks.json?limit=250"
    while url:
        page, answer = client.get_page(url, _WEBHOOKS)
        for hook in page.webhooks:
            yield Subscription(
                str(hook.id), hook.address, (hook.topic,), enabled=True, api_version=hook.api_version or ""
            )
        url = next_link(answer, shop)
