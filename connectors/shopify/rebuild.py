"""From a listed resource to the events it proves.

A webhook's body is the bare REST resource, which is what the list shows, so the listed bytes are used as they
are; a refund's or fulfillment's are cut out of its order's. What a list shows is today's state: intermediate
states are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from functools import lru_cache
from operator import attrgetter

import msgspec

from connectors.shopify.facts import FACTS, RESOURCES
from connectors.shopify.moments import CHILDREN, FULFILLMENT_UPDATE, WHOLE, Moment
from connectors.shopify.shapes import Child, RawChildren, Record
from reconcile.model import Candidate, Occurrence, Snapshot

_CHILDREN = msgspec.json.Decoder(RawChildren)
_BY_TIME = attrgetter("occurred_at")
_ORPHAN = "the order shows it without the order_id that its webhook carries"
_STREAMS = {resource: stream for stream, resource in RESOURCES.items()}


def rebuild(snapshot: Snapshot, topics: frozenset[str], api_version: str) -> list[Candidate]:
    """The facts of `topics` that `snapshot` proves, oldest first; see `moments` for what each one is."""
    record: Record = snapshot.fields
    found = []
    for topic, moment_of, kind, reason in _rules(snapshot.subject.type, topics):
        if moment := moment_of(record):
            found.append(_candidate(snapshot, topic, kind, moment, lambda: snapshot.body, api_version, reason))
    if record.fulfillments or record.refunds:
        found.extend(_of_children(snapshot, record, topics, api_version))
    found.sort(key=_BY_TIME)
    return found


@lru_cache(maxsize=64)
def _rules(
    resource: str, topics: frozenset[str]
) -> tuple[tuple[str, Callable[[Record], Moment | None], Occurrence, str], ...]:
    """The rows of `WHOLE` for what a source subscribes to: the same few questions for every item of a listing."""
    return tuple(
        (topic, moment, FACTS.topic(topic).kind, FACTS.topic(topic).unrebuildable)
        for topic, moment in WHOLE.items()
        if topic in topics and topic.startswith(f"{_STREAMS[resource]}/")
    )


def _of_children(snapshot: Snapshot, record: Record, topics: frozenset[str], version: str) -> Iterator[Candidate]:
    for topic, (field, moment_of) in CHILDREN.items():
        children: list[Child] = (getattr(record, field) or []) if topic in topics else []
        for index, child in enumerate(children):
            moment = moment_of(child)
            if moment and (topic != FULFILLMENT_UPDATE or child.updated_at != child.created_at):
                body, reason = _child_body(snapshot, field, index), "" if child.order_id else _ORPHAN
                yield _candidate(snapshot, topic, Occurrence.DATED, moment, body, version, reason, whole=False)


def _child_body(snapshot: Snapshot, field: str, index: int) -> Callable[[], bytes]:
    return lambda: bytes(getattr(_CHILDREN.decode(snapshot.body), field)[index])


def _candidate(
    snapshot: Snapshot,
    topic: str,
    kind: Occurrence,
    moment: Moment,
    body: Callable[[], bytes],
    api_version: str,
    reason: str,
    *,
    whole: bool = True,
) -> Candidate:
    at, occurrence = moment
    return Candidate(
        topic,
        snapshot.subject,
        kind,
        at.astimezone(UTC),
        snapshot.version,
        body,
        occurrence=occurrence,
        api_version=api_version,
        reason=reason,
        whole=whole,
    )
