"""Reading a delivery or log entry: Stripe's envelope, of a snapshot event or a thin one."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from connectors.stripe.facts import KINDS
from connectors.stripe.inference import BY_TOPIC
from connectors.stripe.paging import at
from connectors.stripe.shapes import DeliveredHead, Resource
from reconcile import surrogates
from reconcile.connector import Delivery, Identity
from reconcile.errors import DeliveryRefused
from reconcile.model import Description, Occurrence, Subject, micros


class _Name(msgspec.Struct):
    id: str
    type: str


class _Data(msgspec.Struct):
    object: Resource


class _Whole(msgspec.Struct):
    data: _Data


_NAME = msgspec.json.Decoder(_Name)
_HEAD = msgspec.json.Decoder(DeliveredHead)
_WHOLE = msgspec.json.Decoder(_Whole)
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, OSError)


def identify(delivery: Delivery) -> Identity:
    """The event's id and type: Stripe puts them in the body alone."""
    try:
        name = surrogates.decode(_NAME, delivery.body)
    except _UNREADABLE:
        raise DeliveryRefused(400, "a Stripe delivery is a JSON object with an id and a type") from None
    if not name.id or not name.type:
        raise DeliveryRefused(400, "a Stripe delivery has an id and a type")
    return Identity(name.id, name.type)


def describe(body: bytes) -> Description:
    """What the body says, whichever kind of event it is; unreadable JSON raises `ValueError`."""
    try:
        head = surrogates.decode(_HEAD, body)
        return described(head.type, _subject(head), _instant(head.created), head.api_version, body)
    except _UNREADABLE as error:
        raise ValueError(f"not a Stripe event: {error}") from None


def described(
    topic: str, subject: Subject | None, when: datetime | None, api_version: str | None, body: bytes
) -> Description:
    """A version is the event's own second in microseconds: Stripe's objects carry no order of their own.

    Only dated topics look deeper into `body`, at the number that their listed object shows too.
    """
    kind = KINDS.get(topic, Occurrence.REPEATED)
    occurrence = ""
    if kind is Occurrence.DATED:
        occurrence = BY_TOPIC[topic].occurrence(surrogates.decode(_WHOLE, body).data.object)
    return Description(
        topic, subject, kind, occurrence, None if when is None else micros(when), when, api_version or ""
    )


def _instant(created: int | datetime | None) -> datetime | None:
    if isinstance(created, datetime):
        return created.astimezone(UTC) if created.tzinfo else created.replace(tzinfo=UTC)
    return None if created is None else at(created)


def _subject(head: DeliveredHead) -> Subject | None:
    if head.data is not None:
        about = head.data.object
        return Subject(about.object, about.id) if about.id else None
    related = head.related_object
    return Subject(related.type, related.id) if related else None
