"""From a listed object to the events it proves, in Stripe's own envelope.

The object's bytes are set into the envelope as they were listed. The id starts with `evt_reconcile_`: no such event
exists at Stripe, so a handler that fetches it by id gets a 404. A fact's version is its own time in microseconds, as
a logged event's is, so the two line up per subject.
"""

from __future__ import annotations

import uuid
from functools import partial
from operator import attrgetter

import msgspec

from connectors.stripe.facts import LISTS
from connectors.stripe.inference import INFERENCES, Inference
from connectors.stripe.paging import at
from connectors.stripe.shapes import Listed, Resource
from reconcile.model import Candidate, Snapshot, fact_key

_NAMESPACE = uuid.UUID("a3c9d0f2-1a54-5c9e-8a51-6f0a3b8f4a77")
_BY_TIME = attrgetter("occurred_at")
_OF = {
    resource: [inference for inference in INFERENCES if inference.stream == stream]
    for stream, (_, resource) in LISTS.items()
}


def rebuild(snapshot: Snapshot, topics: frozenset[str], api_version: str) -> list[Candidate]:
    """The facts of `topics` that `snapshot` proves, oldest first."""
    listed: Listed = snapshot.fields
    found = [
        candidate(snapshot, inference, when, api_version)
        for inference in _OF[snapshot.subject.type]
        if inference.topic in topics and (when := inference.when(listed.resource)) is not None
    ]
    found.sort(key=_BY_TIME)
    return found


def candidate(snapshot: Snapshot, inference: Inference, when: int, api_version: str) -> Candidate:
    """The fact of `inference`, which happened in the unix second `when`."""
    resource: Resource = snapshot.fields.resource
    key = fact_key(inference.topic, snapshot.subject.id, inference.occurrence(resource))
    return Candidate(
        topic=inference.topic,
        subject=snapshot.subject,
        kind=inference.kind,
        occurred_at=at(when),
        version=when * 1_000_000,
        body=partial(_envelope, snapshot, inference.topic, key, when, api_version),
        occurrence=inference.occurrence(resource),
        api_version=api_version,
        reason=inference.reason(resource),
    )


def _envelope(snapshot: Snapshot, topic: str, key: str, when: int, api_version: str) -> bytes:
    listed: Listed = snapshot.fields
    unique = uuid.uuid5(_NAMESPACE, f"{listed.account}\n{key}")
    envelope = {
        "id": f"evt_reconcile_{unique.hex}",
        "object": "event",
        **({"account": listed.account} if listed.account else {}),
        "api_version": api_version,
        "created": when,
        "data": {"object": msgspec.Raw(snapshot.body)},
        "livemode": listed.resource.livemode,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": topic,
    }
    return msgspec.json.encode(envelope)
