"""From a listed resource to the events it proves.

A webhook's body is the bare REST resource, which is what the list shows, so the listed bytes are used as they
are; a refund's or fulfillment's are cut out of its order's. What a list shows is today's state: intermediate
states are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from operator import attrgetter
from typing import NamedTuple

import msgspec

from connectors.shopify.facts import FACTS, RESOURCES
from connectors.shopify.moments import CHILDREN, FULFILLMENT_UPDATE, WHOLE, Moment
from connectors.shopify.shapes import Child, RawChildren, Record
from reconcile.model import Candidate, Occurrence, Snapshot

_CHILDREN = msgspec.json.Decoder(RawChildren)
_BY_TIME = attrgetter("occurred_at")
_WHOLE_OF = {
    resource: [
        (topic, moment, FACTS.topic(topic).kind, FACTS.topic(topic).unrebuildable)
        for topic, moment in WHOLE.items()
        if topic.startswith(f"{stream}/")
    ]
    for stream, resource in RESOURCES.items()
}
_ORPHAN = "the order shows it without the order_id that its webhook carries"


class _Fact(NamedTuple):
    topic: str
    kind: Occurrence
    moment: Moment
    reason: str


def rebuild(snapshot: Snapshot, topics: frozenset[str], api_version: str) -> list[Candidate]:
    """The facts of `topics` that `snapshot` proves, oldest first; see `moments` for what each one is."""
    record: Record = snapshot.fields
    found = []
    for topic, moment_of, kind, reason in _WHOLE_OF[snapshot.subject.type]:
        if topic in topics and (moment := moment_of(record)):
            fact = _Fact(topic, kind, moment, reason)
            found.append(_candidate(snapshot, fact, lambda: snapshot.body, api_version))
    if record.fulfillments or record.refunds:
        found.extend(_of_children(snapshot, record, topics, api_version))
    found.sort(key=_BY_TIME)
    return found


def _of_children(snapshot: Snapshot, record: Record, topics: frozenset[str], version: str) -> Iterator[Candidate]:
    for topic, (field, moment_of) in CHILDREN.items():
        children: list[Child] = (getattr(record, field) or []) if topic in topics else []
        for index, child in enumerate(children):
            moment = moment_of(child)
            if moment and (topic != FULFILLMENT_UPDATE or child.updated_at != child.created_at):
                fact = _Fact(topic, Occurrence.DATED, moment, "" if child.order_id else _ORPHAN)
                yield _candidate(snapshot, fact, _child_body(snapshot, field, index), version)


def _child_body(snapshot: Snapshot, field: str, index: int) -> Callable[[], bytes]:
    return lambda: bytes(getattr(_CHILDREN.decode(snapshot.body), field)[index])


def _candidate(snapshot: Snapshot, fact: _Fact, body: Callable[[], bytes], api_version: str) -> Candidate:
    return Candidate(
        topic=fact.topic,
        subject=snapshot.subject,
        kind=fact.kind,
        occurred_at=fact.moment.at.astimezone(UTC),
        version=snapshot.version,
        body=body,
        occurrence=fact.moment.occurrence,
        api_version=api_version,
        reason=fact.reason,
    )
