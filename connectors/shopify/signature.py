"""Shopify's webhook signature: base64 of HMAC-SHA256 over the raw body, keyed with the app's client secret.

Only the body is signed: topic, shop, id and time headers are not, so nothing here depends on them, and there is
no time to tolerate. Source: shopify.dev, "Deliver webhooks through HTTPS"; @shopify/shopify-api `validate`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from reconcile.connector import Delivery
from reconcile.errors import DeliveryRefused
from reconcile.model import Event, iso

_NAMESPACE = uuid.UUID("0b0f3f0e-6d51-5a2b-8a9c-53a1f6a0d7c4")


def digest(secret: str, body: bytes) -> bytes:
    """The value of the hmac header for `body`; an empty secret raises `ValueError`."""
    if not secret.strip():
        raise ValueError("an empty webhook secret signs nothing")
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())


def either(headers: Mapping[str, str], name: str) -> str:
    """A Shopify header of either family: `shopify-…` (Shopify Events) first, as their SDK does, then `x-shopify-…`."""
    return headers.get(f"shopify-{name}") or headers.get(f"x-shopify-{name}") or ""


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Raise `DeliveryRefused(401)` unless one of `secrets` signed exactly these bytes.

    After a rotation Shopify signs with the oldest secret not yet revoked, so every one is tried, always all.
    """
    given = either(delivery.headers, "hmac-sha256").encode("utf-8", "replace")
    usable = [secret for secret in secrets if secret.strip()]
    if not usable:
        raise DeliveryRefused(401, "no webhook secret is configured to check the signature with")
    matches = [hmac.compare_digest(digest(secret, delivery.body), given) for secret in usable]
    if not any(matches):
        raise DeliveryRefused(401, "the signature does not match any configured webhook secret")


def sign(event: Event, secret: str, now: datetime, *, shop: str, api_version: str) -> dict[str, str]:
    """All headers Shopify's own SDK insists on, and those it sends besides.

    The webhook id is our event's id (the provider's own for a live event, the fact's for a rebuilt one), so that
    every attempt carries the same and a receiver that dedupes by it does so.
    """
    triggered = event.headers.get("x-shopify-triggered-at") or iso(event.occurred_at or now)
    original = either(event.headers, "event-id")
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": event.topic,
        "X-Shopify-Hmac-Sha256": digest(secret, event.body).decode(),
        "X-Shopify-Shop-Domain": either(event.headers, "shop-domain") or shop,
        "X-Shopify-API-Version": event.api_version or api_version,
        "X-Shopify-Webhook-Id": event.id,
        "X-Shopify-Event-Id": original or str(uuid.uuid5(_NAMESPACE, f"{shop}\n{event.id}")),
        "X-Shopify-Triggered-At": triggered,
    }
