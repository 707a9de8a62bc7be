"""Any provider that is a list, a status call and a signature, told by configuration alone.

settings.py      the keys, and what is wrong with them; settings_auth.py, settings_list.py and settings_webhook.py
                 hold sections of them, strict.py what all of these share
facts.py         the streams, topics and statuses that follow from them
pointers.py      where things are in an answer (RFC 6901)
items.py         what an item says, the same in lists, answers and deliveries
moments.py       times, and filters by time
paging.py        from page to page; links.py the `Link` header
listing.py       pages of the list, and one item by id
delivery.py      who a delivery is, and what it tells
signature.py     who sent it; tokens.py the same for JSON Web Tokens
capabilities.py  what of all this a source was configured for
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import ClassVar, Self

import msgspec
from pydantic import BaseModel

from connectors.gateway.capabilities import scheme_of, supported, with_capabilities
from connectors.gateway.delivery import Deliveries
from connectors.gateway.facts import facts_of
from connectors.gateway.items import Items
from connectors.gateway.listing import Asking, Listing
from connectors.gateway.settings import GatewaySettings
from connectors.gateway.signature import standard_key
from connectors.gateway.tokens import key_of
from reconcile.config import WebhookConfig
from reconcile.connector import Facts, Greeting
from reconcile.errors import Rejected
from reconcile.http import ProviderClient
from reconcile.model import Window

__all__ = ["Gateway", "GatewaySettings"]

_MINUTE = timedelta(minutes=1)
#: An id that no provider has, to see whether it lets us ask.
_NOBODY = "reconcile-check"


class Gateway:
    """One account at a provider described by its settings. It has the capabilities they support, and no others."""

    facts: Facts
    Settings: ClassVar[type[BaseModel]] = GatewaySettings

    def __new__(cls, settings: GatewaySettings) -> Self:
        """An instance of a class that has just what is configured."""
        kind = with_capabilities(cls, supported(settings))  # type: ignore[arg-type] # mypy takes no class for a Hashable
        made: Self = object.__new__(kind)
        return made

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._items = Items(settings)
        self.facts = facts_of(settings, self._items)
        webhook = settings.webhook
        self._signature = webhook.signature if webhook else None
        id_header = "webhook-id" if self._signature and self._signature.scheme == "standard-webhooks" else ""
        self._deliveries = Deliveries(webhook.event if webhook else None, self._items, self.facts, id_header)
        if self._signature is not None:
            self._scheme = scheme_of(self._signature)
        if settings.listing is not None:
            self._listing = Listing(settings, settings.listing, self._items)
        if settings.status is not None:
            self._asking = Asking(settings, settings.status, self._items)

    def origin(self) -> str:
        """`base_url`."""
        return self._settings.base_url

    def headers(self) -> Mapping[str, str]:
        """The configured credential, unless it is a parameter of each request."""
        auth = self._settings.auth
        if auth.bearer is not None:
            return {"Authorization": f"Bearer {auth.bearer.get_secret_value()}"}
        if auth.basic is not None:
            pair = base64.b64encode(auth.basic.get_secret_value().encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {} if auth.header is None else {auth.header.name: auth.header.value.get_secret_value()}

    def accounts(self) -> tuple[str, ...]:
        """The credential's own."""
        return ("",)

    def greet(self, client: ProviderClient) -> Greeting:
        """The list of the last minute, else the status of nobody: whatever is said of it, it was allowed to ask.

        No gateway says in the same words whose credentials these are, so a digest of them stands for the account; and
        one of how the list is read, since coverage answers for that question only.
        """
        if self._settings.listing is not None:
            window = Window(client.now() - _MINUTE, client.now())
            next(self._listing.pages(client, window, None))
        else:
            with contextlib.suppress(Rejected):
                self._asking.ask(client, _NOBODY)
        return Greeting(f"gateway-{self._digest()}")

    @property
    def unsigned(self) -> bool:
        """Whether deliveries carry nothing to verify, so that no secret is needed."""
        return self._signature is not None and self._signature.scheme == "none"

    def check_webhook(self, webhook: WebhookConfig) -> Iterable[tuple[tuple[str, ...], str]]:
        """What the scheme needs of the common keys."""
        return _misfits(self._signature.scheme, self._signature.algorithm or "", webhook) if self._signature else ()

    def _digest(self) -> str:
        # How a list ends is no part of what is asked.
        ending = {"paging": {"past_end"}}
        question = self._settings.model_dump_json(
            exclude={"auth": True, "webhook": True, "status": True, "listing": ending}
        )
        query = self._settings.auth.query
        secrets = [*self.headers().values(), "" if query is None else query.value.get_secret_value()]
        return hashlib.sha256(msgspec.json.encode([question, secrets])).hexdigest()[:8]


def _misfits(scheme: str, algorithm: str, webhook: WebhookConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    secrets = [secret.get_secret_value() for secret in webhook.secrets]
    if scheme == "none" and not webhook.allow_from:
        yield ("signature", "scheme"), "needs webhook.allow_from: nothing else tells deliveries from forgeries"
    if scheme == "standard-webhooks" and not all(map(standard_key, secrets)):
        yield ("secret",), "must be whsec_ and base64, as Standard Webhooks secrets are"
    if scheme == "jwt" and any(key_of(algorithm, secret) is None for secret in secrets):
        form = "at least 32 characters, and no public key" if algorithm == "HS256" else "an RSA public key, as PEM"
        yield ("secret",), f"must be {form}, for {algorithm}"
