"""What a pool and its workers say to each other: length-prefixed msgpack over a socket pair."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from reconcile import surrogates
from reconcile.model import Event, Origin, Subject
from reconcile.targets.model import Job

_LENGTH = struct.Struct(">I")


class Setup(msgspec.Struct, tag="setup", array_like=True, frozen=True):
    """First of all: what to load. `ledger` is a URL with its password, so it travels only here; "" for a mere trial."""

    reference: str
    folder: str
    ledger: str


class Call(msgspec.Struct, tag="call", array_like=True, frozen=True):
    """One job. `data` travels only when the body is not JSON, which the worker parses itself."""

    seq: int
    fence: int
    number: int
    id: str
    source: str
    topic: str
    subject: tuple[str, str] | None
    version: int | None
    occurred_at: datetime | None
    data: msgspec.Raw
    body: bytes
    headers: dict[str, str]
    api_version: str
    origin: str
    reconstructed: bool
    late: bool
    attempt: int
    idempotency_key: str


class Halt(msgspec.Struct, tag="halt", array_like=True, frozen=True):
    """Begin nothing more."""


class Ready(msgspec.Struct, tag="ready", array_like=True, frozen=True):
    """The handler is loaded."""

    takes_session: bool
    topics: list[str] | None


class Broken(msgspec.Struct, tag="broken", array_like=True, frozen=True):
    """The worker cannot work: the handler cannot be loaded (`of_config`), or the ledger not be opened."""

    error: str
    of_config: bool


class Started(msgspec.Struct, tag="started", array_like=True, frozen=True):
    """The call of `seq` begins, at `at` seconds of the machine's monotonic clock and `when`, UTC."""

    seq: int
    at: float
    when: datetime


class Done(msgspec.Struct, tag="done", array_like=True, frozen=True):
    """The call of `seq` ended after `seconds`. `retire`: the worker is spoilt and ends now."""

    seq: int
    verdict: str
    error: str
    started_at: datetime
    finished_at: datetime
    seconds: float
    marked: bool
    retire: bool


ToWorker = Setup | Call | Halt
FromWorker = Ready | Broken | Started | Done

to_worker = msgspec.msgpack.Decoder(ToWorker)
from_worker = msgspec.msgpack.Decoder(FromWorker)
_encoder = msgspec.msgpack.Encoder()
_NOTHING = msgspec.Raw(_encoder.encode(None))


def frame(message: ToWorker | FromWorker) -> bytes:
    """The bytes of one message, its length first."""
    payload = _encoder.encode(message)
    return _LENGTH.pack(len(payload)) + payload


class Frames:
    """Bytes as they come, cut into messages; what ends in the middle of one is kept for the next."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that `data` completes."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            end = start + _LENGTH.size + length
            if end > len(self._buffer):
                break
            yield bytes(self._buffer[start + _LENGTH.size : end])
            start = end
        del self._buffer[:start]


def call_of(job: Job) -> Call:
    """A job as it travels."""
    event = job.event
    return Call(
        seq=job.seq,
        fence=job.fence,
        number=job.number,
        id=event.id,
        source=event.source,
        topic=event.topic,
        subject=(event.subject.type, event.subject.id) if event.subject else None,
        version=event.version,
        occurred_at=event.occurred_at,
        data=_NOTHING if _is_json(event.body) else msgspec.Raw(_encoder.encode(event.data)),
        body=event.body,
        headers=dict(event.headers),
        api_version=event.api_version,
        origin=event.origin.value,
        reconstructed=event.reconstructed,
        late=event.late,
        attempt=event.attempt,
        idempotency_key=event.idempotency_key,
    )


def event_of(call: Call) -> Event:
    """The event a handler receives."""
    return Event(
        id=call.id,
        source=call.source,
        topic=call.topic,
        subject=Subject(*call.subject) if call.subject else None,
        version=call.version,
        occurred_at=call.occurred_at,
        data=_data(call),
        body=call.body,
        headers=call.headers,
        api_version=call.api_version,
        origin=Origin(call.origin),
        reconstructed=call.reconstructed,
        late=call.late,
        attempt=call.attempt,
        idempotency_key=call.idempotency_key,
    )


def _data(call: Call) -> Any:
    return parsed(call.body) if _is_json(call.body) else msgspec.msgpack.decode(call.data)


_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def parsed(body: bytes) -> Any:
    """The JSON in `body`, None if it holds none. The standard library takes what msgspec does not, such as NaN."""
    try:
        return surrogates.decode(_ANY, body)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _is_json(body: bytes) -> bool:
    return body[:64].lstrip()[:1] in (b"{", b"[")
