"""Proving that a delivery is the provider's, and signing replays as it would.

Every scheme is a class that takes all secrets of a rotation. Comparisons take constant time, of bytes: a header may
hold anything. A secret that is empty or not of its scheme's form opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from connectors.gateway.settings_webhook import SignatureSettings
from reconcile.connector import Delivery
from reconcile.errors import DeliveryRefused
from reconcile.model import Event, micros

TOLERANCE = timedelta(minutes=5)
_MOST_DIGITS = 12
_MOST_SIGNATURES = 16
_ALGORITHMS = {"sha256": hashlib.sha256, "sha512": hashlib.sha512, "sha1": hashlib.sha1}
_JSON = "application/json"
_NAMESPACE = uuid.UUID("4c4b9a0d-8a39-5b0e-9b1e-2f6f0b7d6a15")


class Scheme(Protocol):
    """How deliveries are verified."""

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Raise `DeliveryRefused(401)` unless the provider sent it."""
        ...


@runtime_checkable
class SigningScheme(Scheme, Protocol):
    """One that we can sign by as well."""

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """The headers of a replay made at `now`; an unusable secret raises `ValueError`."""
        ...


def refused(why: str) -> DeliveryRefused:
    """What is said of a delivery that proves nothing."""
    return DeliveryRefused(401, why)


def usable(secrets: Iterable[str]) -> list[str]:
    """Those that are not empty; none is a refusal."""
    found = [secret for secret in secrets if secret.strip()]
    if not found:
        raise refused("no webhook secret is configured to check the signature with")
    return found


def same(one: bytes, other: str) -> bool:
    """Whether a header holds exactly `one`, in constant time whatever it holds."""
    return hmac.compare_digest(one, other.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Hmac:
    """A digest of the raw body, with a time before it if `timestamp` names the header of one."""

    header: str
    algorithm: str
    encoding: str
    prefix: str
    timestamp: str

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Any of `secrets`, all of them tried; a signed time within 5 minutes, either way."""
        given = delivery.headers.get(self.header.lower(), "")
        if self.encoding == "hex":  # some write it in capitals; the prefix stays as it is
            given = given[: len(self.prefix)] + given[len(self.prefix) :].lower()
        seconds = _seconds(delivery.headers.get(self.timestamp.lower(), "")) if self.timestamp else None
        matches = [same(self._value(secret, delivery.body, seconds), given) for secret in usable(secrets)]
        if not any(matches):
            raise refused("the signature does not match any configured webhook secret")
        if seconds is not None:
            within(seconds, delivery.received_at)

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """The signature, and the time that it covers."""
        seconds = micros(now) // 1_000_000 if self.timestamp else None
        time = {} if seconds is None else {self.timestamp: str(seconds)}
        return {"Content-Type": _JSON, **time, self.header: self._value(secret, event.body, seconds).decode()}

    def _value(self, secret: str, body: bytes, seconds: int | None) -> bytes:
        if not secret.strip():
            raise ValueError("an empty webhook secret signs nothing")
        signed = body if seconds is None else b"%d." % seconds + body
        digest = hmac.new(secret.encode("utf-8", "replace"), signed, _ALGORITHMS[self.algorithm])
        text = digest.hexdigest() if self.encoding == "hex" else base64.b64encode(digest.digest()).decode()
        return f"{self.prefix}{text}".encode()


class StandardWebhooks:
    """Standard Webhooks 1.0.0, `v1`: HMAC-SHA256 in base64 over `id.time.body`, and Svix's names for its headers.

    The time is that of the attempt, so a replay is signed anew. `v1a` (ed25519) is nothing that we could sign or that
    a shared secret could verify: such signatures are passed over.
    """

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Any `v1` signature of the header by any of `secrets`, within 5 minutes, either way."""
        keys = [key for key in map(standard_key, usable(secrets)) if key]
        if not keys:
            raise refused("no webhook secret is whsec_ and base64, as Standard Webhooks secrets are")
        id_, time, signatures = (_either(delivery, name) for name in ("id", "timestamp", "signature"))
        seconds = _seconds(time)
        given = [one[3:] for one in signatures.split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES] if one[:3] == "v1,"]
        expected = [_standard(key, id_, seconds, delivery.body) for key in keys]
        matches = [same(one, other) for one in expected for other in given]
        if not id_ or not any(matches):
            raise refused("the signature does not match any configured webhook secret")
        within(seconds, delivery.received_at)

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """The provider's own id where it gave one; the same on every attempt in any case."""
        key = standard_key(secret)
        if not key:
            raise ValueError("a Standard Webhooks secret is whsec_ and base64")
        id_ = event.headers.get("webhook-id") or event.headers.get("svix-id") or _plain_id(event.id)
        seconds = micros(now) // 1_000_000
        return {
            "Content-Type": _JSON,
            "webhook-id": id_,
            "webhook-timestamp": str(seconds),
            "webhook-signature": f"v1,{_standard(key, id_, seconds, event.body).decode()}",
        }


@dataclass(frozen=True, slots=True)
class Token:
    """A shared secret in a header. It says who sent a delivery, not that nobody changed it on the way."""

    header: str
    prefix: str

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Any of `secrets`, all of them tried."""
        given = delivery.headers.get(self.header.lower(), "")
        matches = [same(f"{self.prefix}{secret}".encode("utf-8", "replace"), given) for secret in usable(secrets)]
        if not any(matches):
            raise refused("the token is not a configured webhook secret")

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """The secret itself, as the provider sends it."""
        del event, now
        if not secret.strip():
            raise ValueError("an empty webhook secret proves nothing")
        return {"Content-Type": _JSON, self.header: f"{self.prefix}{secret}"}


class Unsigned:
    """Nothing to verify: `webhook.allow_from` is all that keeps others out, and is required for it."""

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Nothing."""


def hmac_of(settings: SignatureSettings) -> Hmac:
    """The scheme `hmac` as configured."""
    header, algorithm = settings.header or "", settings.algorithm or "sha256"
    return Hmac(header, algorithm, settings.encoding, settings.prefix, settings.timestamp or "")


def within(seconds: int, received: datetime) -> None:
    """Refuse a time of signing that is more than 5 minutes from when the delivery came."""
    if abs(micros(received) - seconds * 1_000_000) > TOLERANCE // timedelta(microseconds=1):
        raise refused("the signature's time is more than 5 minutes from now: a replay, or a wrong clock")


def standard_key(secret: str) -> bytes:
    """The key that a Standard Webhooks secret stands for, empty if it is none."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise refused("the time of the signature is not a unix time")
    return int(text)


def _standard(key: bytes, id_: str, seconds: int, body: bytes) -> bytes:
    signed = b"%b.%d.%b" % (id_.encode("utf-8", "replace"), seconds, body)
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _either(delivery: Delivery, name: str) -> str:
    return delivery.headers.get(f"webhook-{name}") or delivery.headers.get(f"svix-{name}") or ""


def _plain_id(id_: str) -> str:
    """The same, if it may stand in what is signed: its parts are told apart by dots."""
    return id_ if id_.isascii() and id_.isprintable() and "." not in id_ else str(uuid.uuid5(_NAMESPACE, id_))
