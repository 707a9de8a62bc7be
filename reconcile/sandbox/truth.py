"""What really happened at a fake provider, and the deliveries it owes for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """One event a webhook could have told of, whether or not anybody was subscribed.

    `body` is the exact payload as the provider would send it (Shopify) or log it (Stripe). `event_id` is Stripe's
    `evt_…`, or what all Shopify webhooks of one merchant action share. `parent_id` is the order of a refund,
    transaction or fulfillment; `account` the connected account, "" for the provider's own.
    """

    topic: str
    subject_id: str
    at: datetime
    body: bytes
    event_id: str
    parent_id: str = ""
    account: str = ""


@dataclass(slots=True)
class Delivery:
    """One event on its way to one endpoint. `body` and `url` stay what they were when it was queued.

    `attempts` counts those made so far; `id` is the provider's own name for the delivery.
    """

    id: str
    endpoint: str
    url: str
    topic: str
    event_id: str
    subject_id: str
    body: bytes
    created: datetime
    account: str = ""
    api_version: str = ""
    attempts: int = 0
