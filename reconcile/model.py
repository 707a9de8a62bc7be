"""The words of this project as frozen values. No I/O, no clock.

What is made once per listed item is a msgspec Struct, which costs a tenth of a frozen dataclass to make.

Instants are aware UTC datetimes. A version is an int: the provider's order for a subject, `updated_at` in
microseconds since 1970 where there is one. A larger version is newer; a content hash is never a version.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FACT_NAMESPACE = uuid.UUID("6f1d6a52-51a4-5d0b-9d5f-0e6f7b3c9a10")


def micros(instant: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly; a naive datetime raises `TypeError`."""
    return (instant - EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """The UTC instant `microseconds` after 1970-01-01."""
    return EPOCH + microseconds * _MICROSECOND


def iso(when: datetime) -> str:
    """`2024-01-01T10:00:00.000000Z`: UTC, always six digits, so that text sorts as time does."""
    # Twice as fast as `strftime`, and asked for once per listed item.
    return when.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


class Origin(StrEnum):
    """How an event came into the ledger."""

    LIVE = "live"
    BACKFILL = "backfill"
    STATUS_CHECK = "status_check"
    IMPORTED = "imported"
    BASELINE = "baseline"


class Occurrence(StrEnum):
    """What tells two facts of one topic and subject apart."""

    ONCE = "once"  # it happens once: nothing
    DATED = "dated"  # it carries its own time or a child's id
    STATE = "state"  # its body is the whole current state: the version
    REPEATED = "repeated"  # it happens again and again, undated: cannot be rebuilt once one is recorded


#: Looked up once: an enumeration's own lookup takes a tenth of the judgement of a listed fact.
_STATE = Occurrence.STATE


class EventState(StrEnum):
    """Where an event is on its way to the handler."""

    HELD = "held"  # behind the valve until its stream's run ends
    WAITING = "waiting"  # to be claimed once `next_at` has come
    CLAIMED = "claimed"  # a dispatcher has it
    HANDLED = "handled"
    SUPERSEDED = "superseded"  # a newer state was handled first
    DEAD = "dead"  # the last retry failed, or it cannot be read
    IGNORED = "ignored"  # of a topic nobody subscribed to, or of a source without a handler


DONE_STATES = (EventState.HANDLED, EventState.SUPERSEDED, EventState.IGNORED)


class GapKind(StrEnum):
    """What was found wrong."""

    MISSING = "missing"
    STALE = "stale"
    UNHANDLED = "unhandled"
    DEAD = "dead"
    DELETED = "deleted"
    STATUS_MISMATCH = "status_mismatch"
    NOT_REBUILDABLE = "not_rebuildable"
    BEYOND_RETENTION = "beyond_retention"
    LISTING_INCOMPLETE = "listing_incomplete"


class TransactionStatus(StrEnum):
    """What a transaction comes to, whatever its provider calls it. All but `pending` are terminal."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"

    @property
    def terminal(self) -> bool:
        """Whether nothing more is expected."""
        return self is not TransactionStatus.PENDING


class IncidentKind(StrEnum):
    """What people are told of."""

    UNRESOLVED = "unresolved"  # a transaction's ladder ended
    STATUS_MISMATCH = "status_mismatch"  # amount, currency or a terminal status changed
    DEAD = "dead"  # an event's last retry failed
    VALVE = "valve"  # more was found missing than is let through unasked
    PAUSED = "paused"  # a source's target fails, or was paused by hand
    COVERAGE = "coverage"  # a stream lags behind what it should have proven
    RETENTION = "retention"  # what is not proven soon cannot be listed any more
    CREDENTIALS = "credentials"  # a provider refuses them
    SUBSCRIPTION = "subscription"  # repaired, or not repairable
    API_VERSION = "api_version"  # a delivery in a version nobody expects
    GAP = "gap"  # any other open gap: what was found wrong and did not mend itself
    SILENCE = "silence"  # no successful run, or no live deliveries where there used to be some


class Subject(msgspec.Struct, frozen=True):
    """What an event is about, within one source: a resource type and the provider's id for it."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open interval `[start, end)` of provider time."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs aware instants")
        if self.end < self.start:
            raise ValueError(f"a window cannot end ({iso(self.end)}) before it starts ({iso(self.start)})")

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()

    def __contains__(self, when: datetime) -> bool:
        return self.start <= when < self.end

    def __str__(self) -> str:
        return f"[{iso(self.start)}, {iso(self.end)})"


def fact_key(topic: str, subject_id: str, occurrence: str = "") -> str:
    """The text by which a fact is known, here and to an app's own record: `topic:id` or `topic:id:occurrence`."""
    return f"{topic}:{subject_id}:{occurrence}" if occurrence else f"{topic}:{subject_id}"


def fact_id(source: str, key: str) -> str:
    """The id of a rebuilt event: a UUIDv5 of its source and fact, the same on every machine and run."""
    return str(uuid.uuid5(_FACT_NAMESPACE, f"{source}\n{key}"))


class Description(msgspec.Struct, frozen=True):
    """What a connector reads out of the body of a delivery or log entry.

    `occurrence` is the text that tells this fact from others of its topic and subject: empty for ONCE and
    REPEATED, the fact's own time (`iso`) or child id for DATED, `iso` of the version for STATE.
    `version` is the version of the subject that the body carries, None if it has none.
    """

    topic: str
    subject: Subject | None
    kind: Occurrence
    occurrence: str = ""
    version: int | None = None
    occurred_at: datetime | None = None
    api_version: str = ""

    @property
    def key(self) -> str:
        """The fact's key; empty when the subject is unknown."""
        return fact_key(self.topic, self.subject.id, self.occurrence) if self.subject else ""


class Snapshot(msgspec.Struct, frozen=True):
    """A resource as a list shows it now. `at` is the time its stream lists it by; `body` its exact JSON.

    `fields` is what the connector decoded of it, for its own `rebuild`; nobody else looks inside.
    """

    subject: Subject
    version: int
    at: datetime
    body: bytes
    fields: Any = None


class LoggedEvent(msgspec.Struct, frozen=True):
    """An entry of a provider's event log, with the provider's own id and bytes."""

    id: str
    at: datetime
    description: Description
    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


Item = Snapshot | LoggedEvent


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A fact that a snapshot proves. `body()` builds the bytes of the event, asked only for what is missing.

    `reason` is set when the fact is known to have happened but no faithful event can be built of it. `whole` says
    that the body shows the subject as it stood at `version`: a refund's tells nothing else of its order.
    """

    topic: str
    subject: Subject
    kind: Occurrence
    occurred_at: datetime
    version: int
    body: Callable[[], bytes]
    occurrence: str = ""
    api_version: str = ""
    reason: str = ""
    whole: bool = True

    @property
    def key(self) -> str:
        """The fact's key, as `fact_key` makes it; written out, for it is asked of every listed fact."""
        if self.occurrence:
            return f"{self.topic}:{self.subject.id}:{self.occurrence}"
        return f"{self.topic}:{self.subject.id}"

    @property
    def carried(self) -> int | None:
        """The version this event would account for: a state's own; a once or dated fact's only when its own
        time equals the version to the second, so that what changed since still asks for its state event. A body that
        does not show the subject accounts for no version of it.
        """
        if not self.whole:
            return None
        version = self.version
        if self.kind is _STATE:
            return version
        # `timestamp` takes twice as long, and this is asked of every listed fact.
        since = self.occurred_at - EPOCH
        return version if version // 1_000_000 == since.days * 86_400 + since.seconds else None


@dataclass(frozen=True, slots=True)
class Reported:
    """A transaction as its provider shows it at one moment: in an event's body, in a list, or when asked.

    `raw` is the provider's own word for `status`; `amount` is exact, in the provider's own unit (never float), None
    where it is not said. `at` is the transaction's own time, from which the first rung counts; `changed_at` when it
    got this status, where that is said. `facts` are the events that a terminal status proves, oldest first.
    `revocable`: its provider may take this end back, so it is kept although nobody waited for it.
    """

    subject: Subject
    status: TransactionStatus
    raw: str
    amount: Decimal | None = None
    currency: str = ""
    at: datetime | None = None
    changed_at: datetime | None = None
    facts: tuple[Candidate, ...] = ()
    revocable: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event on its way into the ledger, whatever road it came by: what `inbox.record` takes.

    `reports` is what its body tells of transactions: they become known, or end, in the commit that records it.
    """

    id: str
    description: Description
    body: bytes
    origin: Origin
    headers: Mapping[str, str] = field(default_factory=dict)
    reconstructed: bool = False
    carried: int | None = None
    reports: tuple[Reported, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """What a handler receives; the same object for a live delivery and for one found later.

    `body` is the exact bytes, `data` the parsed JSON. `idempotency_key` is the same on every attempt.
    `late` says that a newer event of the subject was handled before this one. `reconstructed` says that the
    body was built from a listed resource: its *current* state, under the topic of what happened.
    """

    id: str
    source: str
    topic: str
    subject: Subject | None
    version: int | None
    occurred_at: datetime | None
    data: Any
    body: bytes
    headers: Mapping[str, str]
    api_version: str
    origin: Origin
    reconstructed: bool = False
    late: bool = False
    attempt: int = 1
    idempotency_key: str = ""
