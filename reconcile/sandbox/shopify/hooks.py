"""Webhook subscriptions of a shop, and the signed deliveries they are owed.

Facts: duplicates are refused; a subscription made over the Admin API is deleted after 8 failures in a row; a
delivery is retried 8 times over 4 hours with its original body, to its original address
(https://shopify.dev/docs/apps/build/webhooks, changelog 2024-09-10).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from reconcile.clock import Clock
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.truth import Delivery, Happened

FAILURES_BEFORE_DELETION = 8
RETRY_AFTER = tuple(56.0 * 2**step for step in range(8))  # 8 retries in 3 h 58 min; the exact steps are not published
_FIRST_HOOK_ID = 901_431_826


@dataclass(slots=True)
class Signing:
    """How deliveries are signed. The oldest secret not yet revoked signs, so a new one counts only after a revoke.

    `keeps_webhook_id`: whether a retry carries the `X-Shopify-Webhook-Id` of the first attempt; public reports differ.
    """

    shop: str
    secrets: list[str]
    keeps_webhook_id: bool = True

    def hmac(self, body: bytes) -> str:
        """`X-Shopify-Hmac-Sha256` of the exact bytes."""
        digest = hmac.new(self.secrets[0].encode(), body, hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


@dataclass(slots=True)
class Hook:
    """One subscription. `app_specific` ones come from the app's own file: no API call sees, counts or deletes them."""

    id: int
    topic: str
    address: str
    api_version: str
    created_at: datetime
    updated_at: datetime
    fields: tuple[str, ...] = ()
    metafield_namespaces: tuple[str, ...] = ()
    app_specific: bool = False
    failures: int = field(default=0)
    format: str = "json"

    def payload(self, body: bytes) -> bytes:
        """The body as this subscriber gets it: all of it, or its `fields`."""
        if not self.fields:
            return body
        resource = msgspec.json.decode(body)
        return msgspec.json.encode({name: resource[name] for name in self.fields if name in resource})


class Hooks:
    """The subscriptions there are now, and what was deleted for failing."""

    def __init__(self, clock: Clock, dice: Dice, signing: Signing) -> None:
        self._clock = clock
        self._dice = dice
        self.signing = signing
        self._hooks: dict[int, Hook] = {}
        self.deleted_for_failing: list[Hook] = []

    def __iter__(self) -> Iterator[Hook]:
        return iter(self._hooks.values())

    def now(self) -> datetime:
        """The shop's clock."""
        return self._clock.now()

    def get(self, hook_id: int) -> Hook | None:
        """One subscription that the API may see."""
        hook = self._hooks.get(hook_id)
        return None if hook is None or hook.app_specific else hook

    def taken(self, topic: str, address: str, but: int = 0) -> bool:
        """Whether another subscription has this topic and address."""
        return any((h.topic, h.address) == (topic, address) and h.id != but for h in self if not h.app_specific)

    def add(
        self,
        topic: str,
        address: str,
        *,
        api_version: str,
        fields: Sequence[str] = (),
        metafield_namespaces: Sequence[str] = (),
        app_specific: bool = False,
        format_: str = "json",
    ) -> Hook:
        """Subscribe, without the checks of the API."""
        now = self._clock.now()
        hook_id = _FIRST_HOOK_ID + 2 * (
            len(self._hooks) + len(self.deleted_for_failing) + self._dice.randint(1, 99_999)
        )
        while hook_id in self._hooks:
            hook_id += 2
        hook = Hook(
            hook_id,
            topic,
            address,
            api_version,
            now,
            now,
            tuple(fields),
            tuple(metafield_namespaces),
            app_specific,
            format=format_,
        )
        self._hooks[hook_id] = hook
        return hook

    def remove(self, hook_id: int) -> None:
        """Unsubscribe; what is queued for it is no longer sent."""
        del self._hooks[hook_id]

    def owed_for(self, happened: Happened) -> Iterator[Delivery]:
        """A delivery for each subscriber of its topic, each with an id of its own."""
        for hook in self:
            if hook.topic == happened.topic:
                yield Delivery(
                    id=self._dice.uuid(),
                    endpoint=str(hook.id),
                    url=hook.address,
                    topic=happened.topic,
                    event_id=happened.event_id,
                    subject_id=happened.subject_id,
                    body=hook.payload(happened.body),
                    created=happened.at,
                    api_version=hook.api_version,
                )

    def headers(self, delivery: Delivery) -> dict[str, str]:
        """What an attempt carries. Only the body is signed: not the topic, the shop, the id or the time."""
        if delivery.attempts > 1 and not self.signing.keeps_webhook_id:
            delivery.id = self._dice.uuid()
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": delivery.topic,
            "X-Shopify-Hmac-Sha256": self.signing.hmac(delivery.body),
            "X-Shopify-Shop-Domain": self.signing.shop,
            "X-Shopify-API-Version": delivery.api_version,
            "X-Shopify-Webhook-Id": delivery.id,
            "X-Shopify-Event-Id": delivery.event_id,
            "X-Shopify-Triggered-At": delivery.created.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }

    def owed(self, delivery: Delivery) -> bool:
        """Whether its subscription still exists."""
        return int(delivery.endpoint) in self._hooks

    def report(self, delivery: Delivery, *, ok: bool) -> float | None:
        """Note the outcome of an attempt; seconds until the next, None if there is none."""
        hook = self._hooks.get(int(delivery.endpoint))
        if hook is None:
            return None
        hook.failures = 0 if ok else hook.failures + 1
        if hook.failures >= FAILURES_BEFORE_DELETION and not hook.app_specific:
            self.deleted_for_failing.append(self._hooks.pop(hook.id))
            return None
        left = delivery.attempts <= len(RETRY_AFTER)
        return RETRY_AFTER[delivery.attempts - 1] if not ok and left else None
