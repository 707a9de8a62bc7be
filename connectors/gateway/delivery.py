"""Reading a live delivery, by the pointers of `webhook.event`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from connectors.gateway.items import Entry, Items, parse
from connectors.gateway.pointers import find, tokens_of
from connectors.gateway.settings_webhook import EventSettings
from reconcile.connector import Delivery, Facts, Identity
from reconcile.errors import DeliveryRefused
from reconcile.model import Description, Occurrence, Reported, fact_key


class Deliveries:
    """Says who a delivery is and what it tells. The body of a rebuilt event, the bare item, is read as well."""

    def __init__(self, event: EventSettings | None, items: Items, facts: Facts, id_header: str = "") -> None:
        self._items = items
        self._facts = {topic.name for topic in facts.topics}
        self._id = None if event is None or event.id is None else tokens_of(event.id)
        self._topic = None if event is None or event.topic is None else tokens_of(event.topic)
        self._item = tokens_of(event.item) if event else ()
        self._id_header = id_header

    def identify(self, delivery: Delivery) -> Identity:
        """A fact is known by its key, whatever id each telling of it has; the rest by the provider's id, or its bytes.

        Raises `DeliveryRefused(400)` if it is no JSON object or has no topic.
        """
        try:
            envelope = parse(delivery.body)
        except ValueError:
            raise DeliveryRefused(400, "a delivery is a JSON object") from None
        item = find(envelope, self._item)
        topic = self._topic_of(envelope, item)
        if not topic:
            raise DeliveryRefused(400, "a delivery has a topic where webhook.event.topic says")
        subject = self._items.id_of(item)
        if topic in self._facts and subject:
            return Identity(fact_key(topic, subject), topic)
        given = find(envelope, self._id) if self._id is not None else delivery.headers.get(self._id_header)
        known = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
        return Identity(known or hashlib.sha256(delivery.body).hexdigest(), topic)

    def describe(self, topic: str, body: bytes) -> Description:
        """What a body says; its own topic counts where it has one. Raises `ValueError` if it cannot be read."""
        envelope = parse(body)
        item = self._item_of(envelope)
        topic = (self._topic_of(envelope, item) if self._is_envelope(envelope) else "") or topic
        entry = self._entry(item)
        if entry is None:
            return Description(topic, None, Occurrence.REPEATED)
        kind = Occurrence.ONCE if topic in self._facts else Occurrence.REPEATED
        return Description(topic, self._items.subject(entry), kind, version=entry.version, occurred_at=entry.at)

    def told(self, body: bytes) -> Sequence[Reported]:
        """The transaction whose item a body shows, none if it shows none with a status.

        It proves no further event: this one was told.
        """
        item = self._item_of(parse(body))
        entry = self._items.read(item) if self._items.id_of(item) else None
        return () if entry is None or not entry.raw else (self._items.reported(entry),)

    def _is_envelope(self, value: dict[str, Any]) -> bool:
        """Whether this is what a provider sends: a rebuilt event's body is the bare item."""
        if not isinstance(find(value, self._item), dict):
            return False
        return self._topic is None or isinstance(find(value, self._topic), str)

    def _item_of(self, value: dict[str, Any]) -> dict[str, Any]:
        item = find(value, self._item)
        return item if isinstance(item, dict) and self._is_envelope(value) else value

    def _topic_of(self, envelope: dict[str, Any], item: Any) -> str:
        if self._topic is not None:
            found = find(envelope, self._topic)
            return found if isinstance(found, str) else ""
        raw = self._items.raw_of(item)
        return self._items.topic_of(self._items.status_of(raw), raw) if raw else ""

    def _entry(self, item: dict[str, Any]) -> Entry | None:
        return self._items.read(item, lenient=True) if self._items.id_of(item) else None
