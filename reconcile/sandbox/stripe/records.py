"""What a fake Stripe account keeps: objects as they are now, and events as they were when they happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from reconcile.sandbox.fake import Json

BASIL = "2025-03-31"  # from this version on an invoice says what it is for in `parent`


class Outcome(StrEnum):
    """Where the delivery of one event to one endpoint stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Listed(Protocol):
    """What a list can hold: placed by `created` (unix seconds), then by `serial`, the order of making."""

    id: str
    created: int
    serial: int
    visible_at: datetime


@dataclass(slots=True)
class Row:
    """One object. `body` is replaced, never changed in place; a deleted one is no longer listed."""

    id: str
    created: int
    serial: int
    visible_at: datetime
    body: Json
    deleted: bool = False


@dataclass(slots=True)
class Event:
    """One event. `object` is frozen JSON of the moment it happened; `owed` is one outcome per endpoint owed it."""

    id: str
    type: str
    created: int
    serial: int
    visible_at: datetime
    object: bytes
    subject_id: str
    previous: Json | None
    request: Json
    api_version: str
    livemode: bool
    account: str = ""
    owed: dict[str, Outcome] = field(default_factory=dict)

    @property
    def undelivered(self) -> bool:
        """Whether it is still pending at, or failed at, some endpoint: `delivery_success=false`."""
        return any(outcome is not Outcome.DELIVERED for outcome in self.owed.values())

    def render(self, api_version: str = "") -> Json:
        """The event as JSON: in the account's default version, or in the one an endpoint asks for."""
        version = api_version or self.api_version
        data: Json = {"object": _shaped(self.object, version)}
        if self.previous is not None:
            data["previous_attributes"] = self.previous
        pending = sum(outcome is Outcome.PENDING for outcome in self.owed.values())
        account = {"account": self.account} if self.account else {}
        return {
            "id": self.id, "object": "event", **account, "api_version": version, "created": self.created,
            "data": data, "livemode": self.livemode, "pending_webhooks": pending, "request": self.request,
            "type": self.type,
        }  # fmt: skip


def _shaped(encoded: bytes, version: str) -> object:
    if version >= BASIL or b'"object":"invoice"' not in encoded:
        return msgspec.Raw(encoded)
    invoice: Json = msgspec.json.decode(encoded)
    if invoice.get("object") != "invoice":
        return invoice
    details = (invoice.pop("parent", None) or {}).get("subscription_details") or {}
    return {**invoice, "paid": invoice["status"] == "paid", "subscription": details.get("subscription")}


def pretty(body: object) -> bytes:
    """JSON as Stripe sends it, indented by two spaces."""
    return msgspec.json.format(msgspec.json.encode(body), indent=2)
