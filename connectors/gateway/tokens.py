"""Deliveries that carry a JSON Web Token (RFC 7519), verified by the one configured algorithm and no other.

PyJWT parses and checks; the algorithm is never the token's own choice, and a key is made for its algorithm before a
token is looked at, so that a public key can never serve as a shared secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from connectors.gateway.settings_webhook import SignatureSettings
from connectors.gateway.signature import TOLERANCE, refused, usable
from reconcile.connector import Delivery

_LONGEST = 16_384  # characters of a token
_SHORTEST_KEY = 32  # bytes of a shared secret: RFC 7518 wants as many as the hash has
_PEM = re.compile(r"-----(BEGIN|END) PUBLIC KEY-----|\\n|\s")
_TIMES = ("exp", "nbf", "iat")
_OPTIONS: Any = {
    "verify_signature": True,
    "enforce_minimum_key_length": True,
    # Times are held against when the delivery came, below; who a token is for, nobody configured.
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False),
}


@dataclass(frozen=True, slots=True)
class JsonWebToken:
    """A token in a header. With `body`, its claim of that name must be the body's SHA-256 in hex."""

    header: str
    prefix: str
    algorithm: str
    body: str

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Any of `secrets`; a token that is not yet or no longer good, or was made more than 5 minutes ago, is none."""
        given = delivery.headers.get(self.header.lower(), "")
        token = given[len(self.prefix) :] if given.startswith(self.prefix) else ""
        keys = [key for key in (key_of(self.algorithm, secret) for secret in usable(secrets)) if key is not None]
        claims = [found for key in keys if (found := _claims(token, key, self.algorithm)) is not None]
        if not claims:
            raise refused("the token is not signed with any configured webhook secret")
        _in_time(claims[0], delivery.received_at.timestamp())
        self._covers(claims[0], delivery.body)

    def _covers(self, claims: Mapping[str, Any], body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest().encode()
        if self.body and not hmac.compare_digest(digest, str(claims.get(self.body)).encode("utf-8", "replace")):
            raise refused("the token is about another body")


def jwt_of(settings: SignatureSettings) -> JsonWebToken:
    """The scheme `jwt` as configured."""
    header, algorithm = settings.header or "authorization", settings.algorithm or "HS256"
    prefix = settings.prefix or ("Bearer " if header.lower() == "authorization" else "")
    return JsonWebToken(header, prefix, algorithm, settings.body or "")


def key_of(algorithm: str, secret: str) -> bytes | RSAPublicKey | None:
    """What verifies by `algorithm`: the bytes of a shared secret, or the RSA key of a PEM or bare base64 text.

    None if `secret` is none for it: too short, or the key of the other algorithm.
    """
    if algorithm == "HS256":
        key = secret.encode("utf-8", "replace")
        public = "PUBLIC KEY" in secret or key_of("RS256", secret) is not None
        return key if len(key) >= _SHORTEST_KEY and not public else None
    try:
        found = load_der_public_key(base64.b64decode(_PEM.sub("", secret), validate=True))
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return found if isinstance(found, RSAPublicKey) else None


def _claims(token: str, key: bytes | RSAPublicKey, algorithm: str) -> Mapping[str, Any] | None:
    if not token.isascii() or len(token) > _LONGEST:
        return None
    try:
        return jwt.decode(token, key, algorithms=[algorithm], options=_OPTIONS)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def _in_time(claims: Mapping[str, Any], now: float) -> None:
    times = {name: claims[name] for name in _TIMES if name in claims}
    if not all(map(_is_time, times.values())):
        raise refused("the token's times are no numbers")
    leeway = TOLERANCE.total_seconds()
    if "exp" not in times and "iat" not in times:
        raise refused("the token says neither when it was made nor when it ends")
    late = now > times.get("exp", now) + leeway or ("exp" not in times and now > times["iat"] + leeway)
    early = now < max(times.get("nbf", now), times.get("iat", now)) - leeway
    if late or early:
        raise refused("the token is not good now: a replay, or a wrong clock")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
