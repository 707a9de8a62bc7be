"""The webhook subscriptions of this app in one shop, one topic each. One made in the app's own file is invisible here.

Shopify knows no disabled state: after 8 failures in a row a subscription is deleted. Topic and address together are
unique; the topic cannot be changed. Deliveries are signed with the app's own secret, so none is handed out. Which API
version a subscription's bodies have, Shopify's pages tell in two ways (that of the request that made it, that of the
app), so what its answer says counts. Source: https://shopify.dev/docs/api/admin-rest/latest/resources/webhook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

import msgspec

from connectors.shopify.facts import FACTS
from connectors.shopify.listing import next_link
from reconcile.connector import Mend, Subscription, Wanted
from reconcile.errors import NotFound
from reconcile.http import ProviderClient
from reconcile.topics import Topics

JSON = "json"  # of the two formats the one whose bodies we read


class _Webhook(msgspec.Struct):
    id: int
    topic: str
    address: str
    format: str | None = None
    api_version: str | None = None


class _Webhooks(msgspec.Struct):
    webhooks: list[_Webhook]


class _One(msgspec.Struct):
    webhook: _Webhook


_WEBHOOKS = msgspec.json.Decoder(_Webhooks)
_ONE = msgspec.json.Decoder(_One)


def wanted(url: str, topics: Sequence[str], api_version: str) -> Sequence[Wanted]:
    """One for each topic; a wildcard stands for the topics below it that we know."""
    exact = [topic for topic in topics if not topic.endswith("*")]
    wild = Topics(topic for topic in topics if topic.endswith("*"))
    names = dict.fromkeys([*exact, *(topic.name for topic in FACTS.topics if topic.name in wild)])
    return [Wanted(url, (name,), api_version, format=JSON) for name in names]


def mend(subscription: Subscription, wanted: Wanted) -> Mend:
    """Address and format can be changed; a topic has its own subscription; a version comes with being made."""
    if subscription.topics != wanted.topics:
        return Mend.ADD
    fixed = wanted.api_version and subscription.api_version != wanted.api_version
    return Mend.RECREATE if fixed else Mend.UPDATE


class Webhooks:
    """`webhooks.json` of one shop."""

    def __init__(self, shop: str, api_version: str) -> None:
        self._shop = shop
        self._version = api_version

    def all(self, client: ProviderClient) -> Iterator[Subscription]:
        """Every one of this app's."""
        url = f"{self._path()}?limit=250"
        while url:
            page, answer = client.get_page(url, _WEBHOOKS)
            yield from map(_shown, page.webhooks)
            url = next_link(answer, self._shop)

    def create(self, client: ProviderClient, wanted: Wanted) -> Subscription:
        """Make one, in the wanted version as far as the request can say so."""
        (topic,) = wanted.topics
        asked = {"topic": topic, "address": wanted.url, "format": JSON}
        answer = client.post(self._path(version=wanted.api_version), json={"webhook": asked})
        return _shown(answer.decode(_ONE).webhook)

    def update(self, client: ProviderClient, subscription: Subscription, wanted: Wanted) -> Subscription | None:
        """Change address and format."""
        if mend(subscription, wanted) is not Mend.UPDATE:
            return None
        asked = {"id": int(subscription.id), "address": wanted.url, "format": JSON}
        answer = client.put(self._path(subscription.id), json={"webhook": asked}, idempotent=True)
        return _shown(answer.decode(_ONE).webhook)

    def delete(self, client: ProviderClient, subscription: Subscription) -> None:
        """Delete it, unless it is gone."""
        try:
            client.delete(self._path(subscription.id))
        except NotFound:
            return

    def _path(self, id_: str = "", *, version: str = "") -> str:
        one = f"/{quote(id_, safe='')}" if id_ else ""
        return f"/admin/api/{version or self._version}/webhooks{one}.json"


def _shown(hook: _Webhook) -> Subscription:
    return Subscription(
        str(hook.id),
        hook.address,
        (hook.topic,),
        enabled=True,
        api_version=hook.api_version or "",
        format=hook.format or "",
    )
