"""Stripe: the event log for 30 days, resource lists for what is older."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel

from connectors.stripe import account, endpoints, lists, log, signature, status
from connectors.stripe.delivery import describe, identify
from connectors.stripe.event_types import EVENT_TYPES, enabled_events
from connectors.stripe.facts import EVENTS, FACTS
from connectors.stripe.rebuild import rebuild
from connectors.stripe.settings import StripeSettings
from reconcile.connector import Delivery, Facts, Greeting, Identity, Mend, Page, StreamRef, Subscription, Wanted
from reconcile.http import ProviderClient
from reconcile.model import Candidate, Description, Event, Reported, Snapshot, Subject, Window

__all__ = ["Stripe", "StripeSettings"]


class Stripe:
    """One account, or the connected accounts of a platform."""

    facts: Facts = FACTS
    Settings: ClassVar[type[BaseModel]] = StripeSettings
    hands_out_secrets = True
    known_topics = EVENT_TYPES
    minor_units = True  # https://docs.stripe.com/currencies#zero-decimal: 1999 is 19.99 usd, and 1999 jpy

    def __init__(self, settings: StripeSettings) -> None:
        self._settings = settings
        self._headers = {
            "Authorization": f"Bearer {settings.api_key.get_secret_value()}",
            "Stripe-Version": settings.api_version,
            "Accept": "application/json",
        }

    def origin(self) -> str:
        """Stripe has one."""
        return "https://api.stripe.com"

    def headers(self) -> Mapping[str, str]:
        """The key and the pinned version; `Stripe-Account` is added by stream."""
        return self._headers

    def accounts(self) -> tuple[str, ...]:
        """The configured connected accounts, else the key's own."""
        return self._settings.accounts or ("",)

    def greet(self, client: ProviderClient) -> Greeting:
        """Who the key belongs to, and whether versions differ between log, lists and endpoints."""
        return account.greet(client, self._settings)

    def pages(
        self,
        client: ProviderClient,
        stream: StreamRef,
        window: Window,
        topics: Sequence[str],
        cursor: str | None = None,
    ) -> Iterator[Page]:
        """The log oldest first, filtered by `topics` as far as Stripe can; lists newest first."""
        if stream.name == EVENTS:
            return log.pages(client, stream.account, window, topics, cursor)
        return lists.pages(client, stream, window, cursor)

    def read(self, client: ProviderClient, stream: StreamRef, subject_id: str) -> Snapshot | None:
        """One object as it is now; `KeyError` for the log, whose entries are not resources."""
        return lists.read(client, stream, subject_id)

    def rebuild(self, snapshot: Snapshot, topics: frozenset[str]) -> Iterable[Candidate]:
        """The facts of `topics` that a listed object proves."""
        return rebuild(snapshot, topics, self._settings.api_version)

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """HMAC over time and raw body; any of `secrets`, within 5 minutes."""
        signature.verify(delivery, secrets)

    def identify(self, delivery: Delivery) -> Identity:
        """Event id and type, from the body."""
        return identify(delivery)

    def describe(self, topic: str, body: bytes, headers: Mapping[str, str]) -> Description:
        """What the body says; its own type counts, not `topic`."""
        del topic, headers
        return describe(body)

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """A signature with `now` as its time."""
        return signature.sign(event, secret, now)

    def told(self, topic: str, body: bytes) -> Sequence[Reported]:
        """The object an event is about, if it has a status to wait for; its own type counts, not `topic`."""
        del topic
        return status.told(body)

    def listed(self, snapshot: Snapshot) -> Sequence[Reported]:
        """The listed object, if it has a status to wait for."""
        return status.listed(snapshot)

    def status(self, client: ProviderClient, subject: Subject) -> Reported | None:
        """The object as it is now, from whichever of the accounts has it."""
        return status.status(client, subject, self.accounts(), self._settings.api_version)

    def subject_of(self, id_: str) -> Subject | None:
        """What an id names, by its prefix."""
        return status.subject_of(id_)

    def subscriptions(self, client: ProviderClient) -> Iterable[Subscription]:
        """The account's webhook endpoints."""
        return endpoints.subscriptions(client)

    def wanted(self, url: str, topics: Sequence[str], api_version: str) -> Sequence[Wanted]:
        """One endpoint for all topics."""
        return [Wanted(url, enabled_events(topics), api_version)]

    def mend(self, subscription: Subscription, wanted: Wanted) -> Mend:
        """By a change, or by another endpoint where the version differs."""
        return endpoints.mend(subscription, wanted)

    def create(self, client: ProviderClient, wanted: Wanted) -> Subscription:
        """An endpoint; where connected accounts are read, one that hears of them."""
        return endpoints.create(client, wanted, connect=bool(self._settings.accounts))

    def update(self, client: ProviderClient, subscription: Subscription, wanted: Wanted) -> Subscription | None:
        """Enable it, move it, and add topics; never take one away."""
        return endpoints.update(client, subscription, wanted)

    def delete(self, client: ProviderClient, subscription: Subscription) -> None:
        """Delete an endpoint."""
        endpoints.delete(client, subscription)
