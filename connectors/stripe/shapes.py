"""What is decoded of Stripe's JSON; the rest stays raw bytes. Times are unix seconds; statuses are open, so text."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec


class Head(msgspec.Struct):
    """What an event is about. `invoice.upcoming` and `balance.available` carry no id."""

    id: str | None = None
    object: str = ""


class EventData(msgspec.Struct):
    """`data` of a snapshot event."""

    object: Head


class LoggedHead(msgspec.Struct):
    """An entry of `/v1/events`."""

    id: str
    created: int
    type: str
    data: EventData
    api_version: str | None = None


class Related(msgspec.Struct):
    """`related_object` of a thin event."""

    id: str
    type: str


class DeliveredHead(msgspec.Struct):
    """A delivery: a snapshot event, or a thin one whose `created` is text and which has no `data.object`."""

    id: str
    type: str
    created: int | datetime | None = None
    data: EventData | None = None
    api_version: str | None = None
    related_object: Related | None = None


class Present(msgspec.Struct):
    """An object of which only the presence counts."""


class StatusTransitions(msgspec.Struct):
    """When an invoice came into each state: the only times of that kind Stripe lists."""

    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    marked_uncollectible_at: int | None = None


class Resource(msgspec.Struct):
    """Any listed object; fields it does not have stay at their default."""

    id: str
    created: int
    livemode: bool = False
    status: str | None = None
    canceled_at: int | None = None
    ended_at: int | None = None
    last_payment_error: Present | None = None
    last_setup_error: Present | None = None
    amount_refunded: int | None = None
    attempted: bool | None = None
    attempt_count: int | None = None
    paid_out_of_band: bool | None = None
    status_transitions: StatusTransitions | None = None


class Listed(NamedTuple):
    """What `rebuild` needs of a snapshot: the object, and the connected account it was listed for."""

    resource: Resource
    account: str
