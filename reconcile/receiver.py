"""Live deliveries: verify, identify, store the raw bytes, commit; only then 2xx.

`Receiver.receive` is a plain function any web framework can call. Reading the body beyond its identity is
guarded, not trusted: a genuine delivery that cannot be read is stored all the same, dead, with its reason.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconcile import failpoints, inbox
from reconcile.clock import Clock
from reconcile.config import SourceConfig
from reconcile.connector import Connector, Delivery, Identity, Receives
from reconcile.errors import DeliveryRefused, LedgerError
from reconcile.inbox import Book, How
from reconcile.ledger import Ledger, events, gaps
from reconcile.ledger.ledger import Tx
from reconcile.model import Arrival, Description, EventState, GapKind, Occurrence, Origin, Subject
from reconcile.topics import Topics

log = logging.getLogger(__name__)

#: The header of our own POSTs to HTTP targets. A delivery that has it is one of ours: storing it would let the
#: inbox call its own replay a duplicate and drop it.
OWN_HEADER = "reconcile-event"
MAX_BODY = 10_000_000  # bytes
#: UTF-8 bytes of an id or topic: PostgreSQL refuses longer index rows, and three of these make a fact's key.
LONGEST_NAME = 512

#: The source of that key under `sources:` and its connector, None if there is no such source.
SourceOf = Callable[[str], tuple[SourceConfig, Connector] | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer the provider: an HTTP status and a short text. `seq` is the ledger's number of the event."""

    status: int
    text: str
    seq: int | None = None


class Receiver:
    """Takes deliveries for every configured source. `stored` is called after each commit, to wake a dispatcher."""

    def __init__(
        self, ledger: Ledger, sources: SourceOf, clock: Clock, stored: Callable[[str], None] | None = None
    ) -> None:
        self._ledger = ledger
        self._sources = sources
        self._clock = clock
        self._stored = stored

    def receive(self, source: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take one delivery as it came; never raises. A status that is not 2xx makes the provider try again."""
        try:
            return self._receive(source, {name.lower(): value for name, value in headers.items()}, body)
        except DeliveryRefused as refusal:
            return Answer(refusal.status, refusal.reason)
        except LedgerError as error:
            log.error("%s: a delivery was not stored and is asked for again: %s", source, error)  # noqa: TRY400 - its message says it all
            return Answer(503, "the delivery could not be stored; send it again")

    def _receive(self, name: str, headers: dict[str, str], body: bytes) -> Answer:
        found = self._sources(name)
        if found is None:
            return Answer(404, "no such source")
        source, connector = found
        if source.webhook is None or not isinstance(connector, Receives):
            return Answer(404, "no such source")
        if OWN_HEADER in headers:
            return Answer(421, "this is reconcile's own replay: `handler` leads back to its receiver")
        if len(body) > MAX_BODY:
            return Answer(413, f"more than {MAX_BODY} bytes")
        delivery = Delivery(headers, body, self._clock.now())
        connector.verify(delivery, [secret.get_secret_value() for secret in source.webhook.secrets])
        identity = _short(connector.identify(delivery))
        answer = self._store(source, connector, delivery, identity)
        self._wake(name)
        return answer

    def _wake(self, name: str) -> None:
        """Whatever a hook of somebody else's does, the delivery is stored: a later sweep finds it."""
        if self._stored is not None:
            try:
                self._stored(name)
            except Exception:
                log.exception("%s: a delivery was stored, and nobody could be told", name)

    def _store(self, source: SourceConfig, connector: Connector, delivery: Delivery, identity: Identity) -> Answer:
        described, unreadable = _describe(connector, delivery, identity)
        arrival = Arrival(
            id=identity.id,
            description=described,
            body=delivery.body,
            origin=Origin.LIVE,
            headers=delivery.headers,
            carried=described.version,
        )
        book = _book(source, connector, described.topic, unreadable)
        failpoints.reach("inbox.before_store")
        with self._ledger.write() as tx:
            recorded = inbox.record(tx, book, [arrival])[0]
            if unreadable and recorded.how is How.NEW:
                _bury(tx, source.name, identity, recorded.seq, unreadable)
        failpoints.reach("inbox.stored")
        return Answer(200, recorded.how, recorded.seq)


def _describe(connector: Connector, delivery: Delivery, identity: Identity) -> tuple[Description, str]:
    """What the body says; if it cannot be read, a bare description and why."""
    assert isinstance(connector, Receives)  # noqa: S101 - narrows for mypy; the caller has asked
    try:
        return _within_bounds(connector.describe(identity.topic, delivery.body, delivery.headers)), ""
    except Exception as error:  # noqa: BLE001 - hostile or broken bodies must never lose a genuine delivery
        described = Description(identity.topic, None, Occurrence.REPEATED, occurred_at=delivery.received_at)
        return described, f"the body cannot be read: {type(error).__name__}: {error}"[:500]


def _short(identity: Identity) -> Identity:
    """The same, with what is too long for an index cut, its digest in place of the rest."""
    return Identity(*(_cut(text) if _too_long(text) else text for text in (identity.id, identity.topic)))


def _cut(text: str) -> str:
    return f"{text[:64]}~{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _too_long(text: str) -> bool:
    return len(text.encode("utf-8", "replace")) > LONGEST_NAME


def _within_bounds(described: Description) -> Description:
    subject = described.subject or Subject("", "")
    if any(map(_too_long, (described.topic, subject.type, subject.id, described.occurrence))):
        raise ValueError(f"it names something by more than {LONGEST_NAME} bytes")
    return described


def _book(source: SourceConfig, connector: Connector, topic: str, unreadable: str) -> Book:
    topics = Topics(source.webhook.topics if source.webhook else ())
    wanted = source.handler is not None and topic in topics
    state = EventState.DEAD if unreadable else EventState.WAITING if wanted else EventState.IGNORED
    return Book(source.name, state, subscribed=topics.exact, repeats_by_bytes=not connector.facts.stable_ids)


def _bury(tx: Tx, source: str, identity: Identity, seq: int, reason: str) -> None:
    events.change(tx, seq, error=reason)
    gaps.open_(tx, source=source, kind=GapKind.DEAD, key=inbox.clean(identity.id), reason=reason, seq=seq)
