"""Reading a live delivery: who it is from its headers, what it says from its body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TypeVar

import msgspec

from connectors.shopify.facts import FACTS, RESOURCES
from connectors.shopify.moments import CHILDREN, TRANSACTIONS, WHOLE, Moment, transaction_moment
from connectors.shopify.shapes import Child, Other, Record
from connectors.shopify.signature import either
from reconcile import surrogates
from reconcile.connector import Delivery, Identity
from reconcile.errors import DeliveryRefused
from reconcile.model import Description, Subject, micros

T = TypeVar("T")
_RECORD = msgspec.json.Decoder(Record)
_CHILD = msgspec.json.Decoder(Child)
_OTHER = msgspec.json.Decoder(Other)


def identify(delivery: Delivery) -> Identity:
    """The webhook id and topic of either header family; a delivery without them is refused (400).

    The newer Shopify Events name a resource and an action: `Product` and `update` make `Product/update`.
    """
    webhook_id, topic = either(delivery.headers, "webhook-id"), either(delivery.headers, "topic")
    if not webhook_id or not topic:
        raise DeliveryRefused(400, "a Shopify delivery carries X-Shopify-Webhook-Id and X-Shopify-Topic")
    action = delivery.headers.get("shopify-action", "")
    return Identity(webhook_id, f"{topic}/{action}" if action and "/" not in topic else topic)


def describe(topic: str, body: bytes, headers: Mapping[str, str]) -> Description:
    """What the body says, by the same table that rebuilds it; unreadable JSON raises `ValueError`."""
    api_version = either(headers, "api-version")
    if topic in WHOLE:
        return _of_record(topic, _decode(_RECORD, body), api_version)
    if topic in CHILDREN:
        return _of_child(topic, _decode(_CHILD, body), CHILDREN[topic][1], api_version)
    if topic == TRANSACTIONS:
        return _of_child(topic, _decode(_CHILD, body), _settled, api_version)
    return _of_other(topic, _decode(_OTHER, body), headers, api_version)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return surrogates.decode(decoder, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a Shopify webhook body: {error}") from None


def _of_record(topic: str, record: Record, api_version: str) -> Description:
    facts = FACTS.topic(topic)
    moment = WHOLE[topic](record)
    at = record.updated_at if facts.unrebuildable or moment is None else moment[0]
    return Description(
        topic=topic,
        subject=Subject(RESOURCES[topic.partition("/")[0]], str(record.id)),
        kind=facts.kind,
        occurrence=moment[1] if moment else "",
        version=micros(record.updated_at) if record.updated_at else None,
        occurred_at=at.astimezone(UTC) if at else None,
        api_version=api_version,
    )


def _settled(child: Child) -> Moment | None:
    return transaction_moment(child.id, child.status, child.processed_at or child.created_at)


def _of_child(topic: str, child: Child, moment_of: Callable[[Child], Moment | None], api_version: str) -> Description:
    """A child does not carry its order's `updated_at`, so it has no version of its subject."""
    moment = moment_of(child)
    return Description(
        topic=topic,
        subject=Subject("order", str(child.order_id)) if child.order_id else None,
        kind=FACTS.topic(topic).kind,
        occurrence=moment[1] if moment else str(child.id),
        occurred_at=moment[0].astimezone(UTC) if moment else None,
        api_version=api_version,
    )


def _of_other(topic: str, other: Other, headers: Mapping[str, str], api_version: str) -> Description:
    """`orders/delete` and the like carry just an id."""
    at = other.updated_at or other.created_at
    return Description(
        topic=topic,
        subject=_subject(topic, other, headers),
        kind=FACTS.topic(topic).kind,
        version=micros(other.updated_at) if other.updated_at and not other.order_id else None,
        occurred_at=at.astimezone(UTC) if at else None,
        api_version=api_version,
    )


def _subject(topic: str, other: Other, headers: Mapping[str, str]) -> Subject | None:
    if other.order_id:
        return Subject("order", str(other.order_id))
    found = str(other.id or headers.get("shopify-resource-id", "")).rpartition("/")[2]
    family = topic.partition("/")[0]
    return Subject(RESOURCES.get(family, family.lower()), found) if found else None
