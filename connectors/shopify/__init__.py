"""Shopify, over its REST Admin API: the only list there whose entries are shaped like webhook bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel

from connectors.shopify import signature, status
from connectors.shopify.access import Access, pace
from connectors.shopify.asking import Asking
from connectors.shopify.delivery import describe, identify
from connectors.shopify.facts import FACTS
from connectors.shopify.listing import Listing
from connectors.shopify.rebuild import rebuild
from connectors.shopify.settings import ShopifySettings
from connectors.shopify.subscriptions import Webhooks, mend, wanted
from reconcile.connector import Delivery, Facts, Greeting, Identity, Mend, Page, StreamRef, Subscription, Wanted
from reconcile.http import Answer, ProviderClient
from reconcile.model import Candidate, Description, Event, Reported, Snapshot, Subject, Window

__all__ = ["Shopify", "ShopifySettings"]


class Shopify:
    """One shop."""

    facts: Facts = FACTS
    Settings: ClassVar[type[BaseModel]] = ShopifySettings

    def __init__(self, settings: ShopifySettings) -> None:
        self._settings = settings
        self._access = Access(settings)
        self._listing = Listing(settings.shop, settings.api_version)
        self._asking = Asking(settings.shop, settings.api_version)
        self._webhooks = Webhooks(settings.shop, settings.api_version)

    def origin(self) -> str:
        """`https://NAME.myshopify.com`."""
        return f"https://{self._settings.shop}"

    def headers(self) -> Mapping[str, str]:
        """The access token, bare."""
        return self._access.headers()

    def accounts(self) -> tuple[str, ...]:
        """A shop is one account."""
        return ("",)

    def greet(self, client: ProviderClient) -> Greeting:
        """One request: the granted scopes, and what they do not cover."""
        return self._access.greet(client)

    def refresh(self, client: ProviderClient) -> bool:
        """A new token where the app has credentials to ask for one; whether there is one now."""
        return self._access.refresh(client)

    def pace(self, answer: Answer) -> float:
        """Seconds to wait, by how full the provider says its bucket is."""
        return pace(answer)

    def pages(
        self,
        client: ProviderClient,
        stream: StreamRef,
        window: Window,
        topics: Sequence[str],
        cursor: str | None = None,
    ) -> Iterator[Page]:
        """Pages by last change, newest created first."""
        del topics  # a list shows resources, whatever happened to them
        self._access.require(stream.name)
        return self._listing.pages(client, stream.name, window, cursor)

    def read(self, client: ProviderClient, stream: StreamRef, subject_id: str) -> Snapshot | None:
        """One resource as it is now."""
        self._access.require(stream.name)
        return self._listing.read(client, stream.name, subject_id)

    def rebuild(self, snapshot: Snapshot, topics: frozenset[str]) -> Iterable[Candidate]:
        """The facts of `topics` that a listed resource proves."""
        return rebuild(snapshot, topics, self._settings.api_version)

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """HMAC over the raw body; any of `secrets`."""
        signature.verify(delivery, secrets)

    def identify(self, delivery: Delivery) -> Identity:
        """Webhook id and topic, from the headers."""
        return identify(delivery)

    def describe(self, topic: str, body: bytes, headers: Mapping[str, str]) -> Description:
        """What the body says."""
        return describe(topic, body, headers)

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """The headers Shopify's own SDK insists on."""
        shop, version = self._settings.shop, self._settings.api_version
        return signature.sign(event, secret, now, shop=shop, api_version=version)

    def told(self, topic: str, body: bytes) -> Sequence[Reported]:
        """The money of an order and of its refunds, or one transaction."""
        return status.told(topic, body)

    def listed(self, snapshot: Snapshot) -> Sequence[Reported]:
        """The money of a listed order and of its refunds."""
        return status.listed(snapshot)

    def status(self, client: ProviderClient, subject: Subject) -> Reported | None:
        """An order's money or one transaction as it is now."""
        return self._asking.status(client, subject)

    def together(self, type_: str) -> int:
        """Orders can be listed by id, a hundred to a URL of some 2 KB; their transactions cannot."""
        return 100 if type_ == status.ORDER else 1

    def statuses(self, client: ProviderClient, subjects: Sequence[Subject]) -> Mapping[Subject, Reported]:
        """The money of many orders, in one request."""
        return {one.subject: one for one in self._asking.orders(client, [subject.id for subject in subjects])}

    def subject_of(self, id_: str) -> Subject | None:
        """`1001` is an order, `1001/2002` one of its transactions."""
        return status.subject_of(id_)

    def subscriptions(self, client: ProviderClient) -> Iterable[Subscription]:
        """This app's webhook subscriptions in the shop."""
        return self._webhooks.all(client)

    def wanted(self, url: str, topics: Sequence[str], api_version: str) -> Sequence[Wanted]:
        """One subscription for each topic."""
        return wanted(url, topics, api_version)

    def mend(self, subscription: Subscription, wanted: Wanted) -> Mend:
        """By a change of address or format; another version takes another subscription in its place."""
        return mend(subscription, wanted)

    def create(self, client: ProviderClient, wanted: Wanted) -> Subscription:
        """A subscription; what it sends is signed with the app's secret."""
        return self._webhooks.create(client, wanted)

    def update(self, client: ProviderClient, subscription: Subscription, wanted: Wanted) -> Subscription | None:
        """Change its address or format."""
        return self._webhooks.update(client, subscription, wanted)

    def delete(self, client: ProviderClient, subscription: Subscription) -> None:
        """Delete a subscription."""
        self._webhooks.delete(client, subscription)
