"""Stripe's webhook signature: `Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]` over `t.body`.

The key is the whole `whsec_…` string, not decoded. While a rolled secret overlaps there are several `v1`; any one
counts, other schemes never (`v0` is a fake on test events). Source: docs.stripe.com/webhooks#verify-manually.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from reconcile.connector import Delivery
from reconcile.errors import DeliveryRefused
from reconcile.model import Event, micros

TOLERANCE = timedelta(minutes=5)
_MOST_SIGNATURES = 16  # a header with more is not Stripe's, and each one costs a comparison a secret
_MOST_DIGITS = 12


def digest(secret: str, timestamp: int, body: bytes) -> str:
    """The `v1` value; an empty secret raises `ValueError`."""
    if not secret.strip():
        raise ValueError("an empty webhook secret signs nothing")
    return hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Raise `DeliveryRefused(401)` unless one of `secrets` signed exactly these bytes within 5 minutes, either way."""
    usable = [secret for secret in secrets if secret.strip()]
    if not usable:
        raise DeliveryRefused(401, "no webhook secret is configured to check the signature with")
    timestamp, given = _parse(delivery.headers.get("stripe-signature", ""))
    expected = [digest(secret, timestamp, delivery.body).encode() for secret in usable]
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]
    if not any(matches):
        raise DeliveryRefused(401, "the signature does not match any configured webhook secret")
    if abs(micros(delivery.received_at) - timestamp * 1_000_000) > TOLERANCE // timedelta(microseconds=1):
        raise DeliveryRefused(401, "the signature's time is more than 5 minutes from now: a replay, or a wrong clock")


def sign(event: Event, secret: str, now: datetime) -> dict[str, str]:
    """The headers of a delivery signed at `now`: receivers refuse an old time, so never the event's own."""
    timestamp = micros(now) // 1_000_000
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": f"t={timestamp},v1={digest(secret, timestamp, event.body)}",
    }


def _parse(header: str) -> tuple[int, list[bytes]]:
    pairs = [part.strip().partition("=") for part in header.split(",", _MOST_SIGNATURES + 4)]
    times = [value for name, _, value in pairs if name == "t"]
    given = [value.encode("utf-8", "replace") for name, _, value in pairs if name == "v1"][:_MOST_SIGNATURES]
    if len(times) != 1 or not given:
        raise DeliveryRefused(401, "there is no Stripe-Signature header with one t= and a v1=")
    time = times[0]
    if not (time.isascii() and time.isdigit() and len(time) <= _MOST_DIGITS):
        raise DeliveryRefused(401, "the t= of the Stripe-Signature header is not a unix time")
    return int(time), given
