"""The connector's own keys under `webhook:`: what a delivery says, and how it is signed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.gateway.pointers import Pointer
from connectors.gateway.settings_auth import HeaderName
from connectors.gateway.strict import Strict
from reconcile.config import fields as kinds

Scheme = Literal["hmac", "standard-webhooks", "token", "jwt", "none"]

#: The keys beside `scheme` that each of them takes, and those of them that it cannot do without.
_TAKES: dict[str, frozenset[str]] = {
    "hmac": frozenset({"header", "algorithm", "encoding", "prefix", "timestamp"}),
    "standard-webhooks": frozenset(),
    "token": frozenset({"header", "prefix"}),
    "jwt": frozenset({"header", "algorithm", "prefix", "body"}),
    "none": frozenset(),
}
_NEEDS: dict[str, tuple[str, ...]] = {"hmac": ("header",), "token": ("header",), "jwt": ("header", "algorithm")}
_ALGORITHMS = {"hmac": ("sha256", "sha512", "sha1"), "jwt": ("HS256", "RS256")}


class EventSettings(Strict):
    """Where a delivery keeps its id, its topic and the item: pointers into the body.

    Without `topic`, the source's own topic is filled in by the item's status. Without `id`, a delivery is known by
    its bytes.
    """

    id: Pointer | None = None
    topic: Pointer | None = None
    item: Pointer = ""


class SignatureSettings(Strict):
    """How a delivery proves who sent it.

    `header` carries `prefix` and the signature. With `timestamp`, the header of that name is signed too, as
    `TIME.BODY`. `body` is the claim of a token that holds the body's SHA-256 in hex.
    """

    scheme: Scheme
    header: HeaderName | None = None
    algorithm: Literal["sha256", "sha512", "sha1", "HS256", "RS256"] | None = None
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", max_length=64, pattern=r"^[ -~]*$")
    timestamp: HeaderName | None = None
    body: kinds.Name | None = None

    @model_validator(mode="after")
    def _fits_the_scheme(self) -> Self:
        for key in type(self).model_fields:
            if key in self.model_fields_set - {"scheme"} and key not in _TAKES[self.scheme]:
                raise kinds.problem_at(key, f"is not for the scheme {self.scheme}")
        lacking = [key for key in _NEEDS.get(self.scheme, ()) if getattr(self, key) is None]
        if lacking:
            raise ValueError(f"needs {' and '.join(lacking)} for the scheme {self.scheme}")
        known = _ALGORITHMS.get(self.scheme, ())
        if self.algorithm is not None and self.algorithm not in known:
            raise kinds.problem_at("algorithm", f"must be {' or '.join(known)} for the scheme {self.scheme}")
        return self


class WebhookSettings(Strict):
    """Both together, or neither where the app receives by itself."""

    event: EventSettings | None = None
    signature: SignatureSettings | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.event is None) != (self.signature is None):
            given, lacking = ("event", "signature") if self.signature is None else ("signature", "event")
            raise kinds.problem_at(given, f"needs {lacking} beside it")
        return self
