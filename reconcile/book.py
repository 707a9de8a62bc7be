"""What is kept of an arrival: the names it is known by, its contents, and the row it becomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from reconcile.ledger.ledger import Tx
from reconcile.model import Arrival, EventState, Subject, micros
from reconcile.names import clean


@dataclass(frozen=True, slots=True)
class Book:
    """How the arrivals of one road are entered: for which source and topics, in which state, by which run.

    `subscribed` are the topics whose versions count; `repeats_by_bytes` says that equal bytes of a topic are the
    same delivery, for providers whose delivery ids change.
    """

    source: str
    state: EventState
    subscribed: frozenset[str] = frozenset()
    repeats_by_bytes: bool = False
    run_id: str = ""
    stream: str = ""


def subject_of(arrival: Arrival) -> Subject:
    """The subject whose row recording `arrival` locks; one without has the nameless one."""
    subject = arrival.description.subject
    return Subject(clean(subject.type), clean(subject.id)) if subject else Subject("", "")


def key_of(arrival: Arrival) -> str:
    """The fact it claims, "" where its body could not be read."""
    return clean(arrival.description.key)


def names_of(book: Book, arrival: Arrival) -> list[str]:
    """What an arrival may be known by: its id and, where ids change from one attempt to the next, its bytes."""
    id_ = clean(arrival.id)
    if not book.repeats_by_bytes:
        return [id_]
    return [id_, f"sha256:{clean(arrival.description.topic)}:{digest(arrival.body).hex()}"]


def digest(body: bytes) -> bytes:
    """The SHA-256 by which equal bytes are recognised."""
    return hashlib.sha256(body).digest()


def beginning(tx: Tx, book: Book) -> dict[str, Any]:
    """How an event of this book begins its way."""
    waits, done = book.state is EventState.WAITING, book.state is EventState.HANDLED
    return {"state": book.state, "next_at": tx.now if waits else None, "handled_at": tx.now if done else None}


def contents(arrival: Arrival) -> dict[str, Any]:
    """What an event carries, which the real delivery of its fact replaces."""
    described = arrival.description
    return {
        "version": described.version,
        "carried": arrival.carried,
        "api_version": clean(described.api_version),
        "headers": msgspec.json.encode({clean(name): clean(value) for name, value in arrival.headers.items()}),
        "body": arrival.body,
        "body_hash": digest(arrival.body),
    }


def row_of(tx: Tx, book: Book, arrival: Arrival) -> dict[str, Any]:
    """The whole event."""
    described, subject = arrival.description, subject_of(arrival)
    return (
        contents(arrival)
        | beginning(tx, book)
        | {
            "source": book.source,
            "id": clean(arrival.id),
            "topic": clean(described.topic),
            "subject_type": subject.type,
            "subject_id": subject.id,
            "kind": described.kind,
            "fact": key_of(arrival),
            "position": micros(described.occurred_at or tx.now),
            "occurred_at": described.occurred_at,
            "recorded_at": tx.now,
            "origin": arrival.origin,
            "reconstructed": int(arrival.reconstructed),
            "run_id": book.run_id,
            "stream": book.stream,
        }
    )
