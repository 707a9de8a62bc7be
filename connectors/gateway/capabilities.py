"""What a gateway can do, each in a class of its own: a source gets those that its configuration supports.

Jobs ask `isinstance`, so a method that is there is a promise. `Gateway` is put together from these when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache

from connectors.gateway.delivery import Deliveries
from connectors.gateway.items import Entry, Items
from connectors.gateway.listing import Asking, Listing
from connectors.gateway.settings import GatewaySettings
from connectors.gateway.settings_webhook import SignatureSettings
from connectors.gateway.signature import Hmac, Scheme, SigningScheme, StandardWebhooks, Token, Unsigned, hmac_of
from connectors.gateway.tokens import jwt_of
from reconcile.connector import Delivery, Identity, Page, StreamRef
from reconcile.http import ProviderClient
from reconcile.model import Candidate, Description, Event, Reported, Snapshot, Subject, Window


class Lists:
    """`ListsItems` and `Rebuilds`: with `list`."""

    _items: Items
    _listing: Listing

    def pages(
        self,
        client: ProviderClient,
        stream: StreamRef,
        window: Window,
        topics: Sequence[str],
        cursor: str | None = None,
    ) -> Iterator[Page]:
        """The list's pages, in the provider's order."""
        del stream, topics  # there is one list, and it shows items whatever happened to them
        return self._listing.pages(client, window, cursor)

    def rebuild(self, snapshot: Snapshot, topics: frozenset[str]) -> Iterable[Candidate]:
        """The fact that a terminal item proves."""
        entry: Entry = snapshot.fields
        return [fact for fact in self._items.facts(entry, snapshot.body) if fact.topic in topics]


class Reads:
    """`ReadsItems`: with `list` and `status`."""

    _listing: Listing
    _asking: Asking

    def read(self, client: ProviderClient, stream: StreamRef, subject_id: str) -> Snapshot | None:
        """One item as the status call shows it, as if listed."""
        del stream
        found = self._asking.ask(client, subject_id)
        return None if found is None else self._listing.read(client, *found[:2])


class Reports:
    """`ReportsStatus`: with `status`."""

    _items: Items
    _asking: Asking
    _deliveries: Deliveries

    def told(self, topic: str, body: bytes) -> Sequence[Reported]:
        """The transaction that a delivery or rebuilt event shows."""
        del topic
        return self._deliveries.told(body)

    def listed(self, snapshot: Snapshot) -> Sequence[Reported]:
        """The transaction that a listed item is."""
        entry: Entry = snapshot.fields
        return (self._items.reported(entry, self._items.facts(entry, snapshot.body)),)

    def status(self, client: ProviderClient, subject: Subject) -> Reported | None:
        """What the status call says; None for 404 and 410: perhaps not yet."""
        found = self._asking.ask(client, subject.id)
        if found is None:
            return None
        body, _, entry = found
        return self._items.reported(entry, self._items.facts(entry, body, client.now()))


class Takes:
    """`Receives`: with `webhook.event` and `webhook.signature`."""

    _scheme: Scheme
    _deliveries: Deliveries

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """By the configured scheme."""
        self._scheme.verify(delivery, secrets)

    def identify(self, delivery: Delivery) -> Identity:
        """By the configured pointers."""
        return self._deliveries.identify(delivery)

    def describe(self, topic: str, body: bytes, headers: Mapping[str, str]) -> Description:
        """What the body says."""
        del headers
        return self._deliveries.describe(topic, body)


class SignsReplays:
    """`Signs`: with a scheme whose secret is ours too."""

    _scheme: SigningScheme

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """The headers of the configured scheme."""
        return self._scheme.sign(event, secret, now)


def scheme_of(signature: SignatureSettings) -> Scheme:
    """The configured way to verify."""
    if signature.scheme == "hmac":
        return hmac_of(signature)
    if signature.scheme == "token":
        return Token(signature.header or "", signature.prefix)
    if signature.scheme == "jwt":
        return jwt_of(signature)
    return StandardWebhooks() if signature.scheme == "standard-webhooks" else Unsigned()


def supported(settings: GatewaySettings) -> tuple[type, ...]:
    """The capabilities that a configuration supports."""
    signature = settings.webhook.signature if settings.webhook else None
    signs = signature is not None and isinstance(scheme_of(signature), Hmac | StandardWebhooks | Token)
    claims: dict[type, bool] = {
        Lists: settings.listing is not None,
        Reads: settings.listing is not None and settings.status is not None,
        Reports: settings.status is not None,
        Takes: signature is not None,
        SignsReplays: signs,
    }
    return tuple(capability for capability, claimed in claims.items() if claimed)


@cache
def with_capabilities(base: type, capabilities: tuple[type, ...]) -> type:
    """`base` with these and no others, made once for each combination."""
    return type(base.__name__, (base, *capabilities), {"__module__": base.__module__, "__doc__": base.__doc__})
