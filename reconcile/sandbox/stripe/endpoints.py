"""Webhook endpoints of fake Stripe accounts, and their signed deliveries.

Facts (https://docs.stripe.com/webhooks): every attempt is signed anew with the time it is made; live mode retries
for 3 days, a sandbox 3 times; an event made while an endpoint is disabled is never sent to it; a disabled endpoint
ends the retries that come due meanwhile. An endpoint that only fails is switched off after about 9 days.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconcile.clock import Clock
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.stripe.records import Event, Outcome, pretty
from reconcile.sandbox.truth import Delivery

MAX_ENDPOINTS = 16
LIVE_RETRIES = (300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)  # then every 12 h; the exact steps are not published
LATE_RETRY = 43_200.0
LIVE_FOR = timedelta(days=3)
SANDBOX_RETRIES = (600.0, 3600.0, 7200.0)
SWITCHED_OFF_AFTER = timedelta(days=9)


@dataclass(slots=True)
class Secret:
    """A signing secret; `ends` is set once it is rolled."""

    value: str
    ends: datetime | None = None


@dataclass(slots=True)
class Endpoint:
    """One webhook endpoint. `connect` ones hear of the connected accounts only. The secret is shown once."""

    id: str
    serial: int
    account: str
    url: str
    enabled_events: tuple[str, ...]
    created: int
    visible_at: datetime
    livemode: bool
    secrets: list[Secret]
    api_version: str | None = None
    connect: bool = False
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    failing_since: datetime | None = None

    @property
    def secret(self) -> str:
        """The newest signing secret."""
        return self.secrets[-1].value

    def wants(self, event: Event, main: str) -> bool:
        """Whether this event is sent here. `main` is the platform's own account id."""
        own = not event.account if self.account == main else event.account == self.account
        heard = bool(event.account) if self.connect else own
        return self.enabled and heard and ("*" in self.enabled_events or event.type in self.enabled_events)


def signature(secrets: Iterable[str], body: bytes, now: int) -> str:
    """`Stripe-Signature` over `t.body`; the key is the whole `whsec_…` text."""
    signed = f"{now}.".encode() + body
    parts = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={now}", *(f"v1={part}" for part in parts)])


class Endpoints:
    """The endpoints of a platform and of its connected accounts."""

    def __init__(self, clock: Clock, dice: Dice, main: str, *, livemode: bool) -> None:
        self._clock = clock
        self._dice = dice
        self._main = main
        self.livemode = livemode
        self.lag = 0.0  # seconds until a new endpoint shows in lists
        self._endpoints: dict[str, Endpoint] = {}
        self._serial = 0
        self._events: dict[str, Event] = {}

    def of(self, account: str) -> list[Endpoint]:
        """The endpoints one account sees."""
        return [endpoint for endpoint in self._endpoints.values() if endpoint.account == account]

    def get(self, endpoint_id: str, account: str) -> Endpoint | None:
        """One of them."""
        endpoint = self._endpoints.get(endpoint_id)
        return endpoint if endpoint and endpoint.account == account else None

    def add(
        self,
        url: str,
        enabled_events: Iterable[str],
        *,
        account: str = "",
        api_version: str | None = None,
        connect: bool = False,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Endpoint:
        """Make an endpoint, without the checks of the API."""
        self._serial += 1
        now = self._clock.now()
        endpoint = Endpoint(
            id="we_1" + self._dice.token(23),
            serial=self._serial,
            account=account or self._main,
            url=url,
            enabled_events=tuple(enabled_events),
            created=int(now.timestamp()),
            visible_at=now + timedelta(seconds=self.lag),
            livemode=self.livemode,
            secrets=[Secret("whsec_" + self._dice.token(32))],
            api_version=api_version,
            connect=connect,
            description=description,
            metadata=metadata or {},
        )
        self._endpoints[endpoint.id] = endpoint
        return endpoint

    def remove(self, endpoint_id: str) -> None:
        """Delete it; nothing more is sent to it."""
        del self._endpoints[endpoint_id]

    def roll(self, endpoint_id: str) -> str:
        """Give it a new secret; the old one goes on signing beside it for a day. Returns the new one."""
        endpoint = self._endpoints[endpoint_id]
        endpoint.secrets[-1].ends = self._clock.now() + timedelta(days=1)
        endpoint.secrets.append(Secret("whsec_" + self._dice.token(32)))
        return endpoint.secret

    def owed_for(self, event: Event) -> list[Delivery]:
        """A delivery of `event` to every endpoint that wants it, each in that endpoint's version."""
        wanting = [endpoint for endpoint in self._endpoints.values() if endpoint.wants(event, self._main)]
        event.owed = dict.fromkeys((endpoint.id for endpoint in wanting), Outcome.PENDING)
        self._events[event.id] = event
        return [self.delivery(event, endpoint) for endpoint in wanting]

    def delivery(self, event: Event, endpoint: Endpoint) -> Delivery:
        """One event on its way to one endpoint."""
        version = endpoint.api_version or event.api_version
        body = event.render(version)
        return Delivery(
            id=event.id,
            endpoint=endpoint.id,
            url=endpoint.url,
            topic=event.type,
            event_id=event.id,
            subject_id=event.subject_id,
            body=pretty(body),
            created=self._clock.now(),
            account=event.account,
            api_version=version,
        )

    def headers(self, delivery: Delivery) -> dict[str, str]:
        """What an attempt carries, signed now with every secret still valid."""
        now = self._clock.now()
        secrets = self._valid(self._endpoints[delivery.endpoint], now)
        return {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(secrets, delivery.body, int(now.timestamp())),
        }

    @staticmethod
    def _valid(endpoint: Endpoint, now: datetime) -> Iterator[str]:
        for secret in reversed(endpoint.secrets):
            if secret.ends is None or secret.ends > now:
                yield secret.value

    def owed(self, delivery: Delivery) -> bool:
        """Whether its endpoint still exists and is enabled."""
        endpoint = self._endpoints.get(delivery.endpoint)
        return endpoint is not None and endpoint.enabled

    def report(self, delivery: Delivery, *, ok: bool) -> float | None:
        """Note the outcome of an attempt; seconds until the next, None if there is none."""
        event, endpoint = self._events[delivery.event_id], self._endpoints.get(delivery.endpoint)
        wait = None if ok else self._wait(delivery)
        if ok:
            event.owed[delivery.endpoint] = Outcome.DELIVERED
        elif wait is None:
            event.owed[delivery.endpoint] = Outcome.FAILED
        if endpoint is not None:
            self._judge(endpoint, ok=ok)
        return wait

    def _wait(self, delivery: Delivery) -> float | None:
        schedule = LIVE_RETRIES if self.livemode else SANDBOX_RETRIES
        if delivery.attempts <= len(schedule):
            return schedule[delivery.attempts - 1]
        next_try = self._clock.now() + timedelta(seconds=LATE_RETRY)
        return LATE_RETRY if self.livemode and next_try <= delivery.created + LIVE_FOR else None

    def _judge(self, endpoint: Endpoint, *, ok: bool) -> None:
        now = self._clock.now()
        endpoint.failing_since = None if ok else endpoint.failing_since or now
        if endpoint.failing_since and now - endpoint.failing_since >= SWITCHED_OFF_AFTER:
            endpoint.enabled = False
