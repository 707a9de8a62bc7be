"""How providers sign: written down from their documentation, not from what verifies it here."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

Sign = Callable[[str, bytes, str, datetime], Mapping[str, str]]


def hex_hmac(header: str, algorithm: str) -> Sign:
    """A hex digest of the raw body (Razorpay: SHA-256, Paystack: SHA-512)."""

    def sign(secret: str, body: bytes, event_id: str, now: datetime) -> Mapping[str, str]:
        del event_id, now
        return {header: hmac.new(secret.encode(), body, algorithm).hexdigest()}

    return sign


def base64_hmac(header: str, algorithm: str, prefix: str = "") -> Sign:
    """A base64 digest of the raw body, perhaps behind a prefix."""

    def sign(secret: str, body: bytes, event_id: str, now: datetime) -> Mapping[str, str]:
        del event_id, now
        return {header: prefix + base64.b64encode(hmac.new(secret.encode(), body, algorithm).digest()).decode()}

    return sign


def timed_hmac(header: str, time_header: str) -> Sign:
    """A hex SHA-256 of `TIME.BODY`, the time in a header of its own."""

    def sign(secret: str, body: bytes, event_id: str, now: datetime) -> Mapping[str, str]:
        del event_id
        time = str(int(now.timestamp()))
        digest = hmac.new(secret.encode(), time.encode() + b"." + body, "sha256").hexdigest()
        return {time_header: time, header: digest}

    return sign


def standard_webhooks(secret: str, body: bytes, event_id: str, now: datetime) -> Mapping[str, str]:
    """Standard Webhooks 1.0.0, `v1`."""
    time = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event_id}.{time}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": time,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def token(header: str) -> Sign:
    """The secret itself, in a header (Xendit, Flutterwave)."""

    def sign(secret: str, body: bytes, event_id: str, now: datetime) -> Mapping[str, str]:
        del body, event_id, now
        return {header: secret}

    return sign
