"""Live deliveries: verify, identify, store the raw bytes, commit; only then 2xx.

`Receiver.receive` is a plain function any web framework can call. The ASGI receiver does the same in steps, so that
deliveries which arrive together share a commit: `enter` before the body is read, `take` with it, `store` for many.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconcile.clock import Clock
from reconcile.config import SourceConfig
from reconcile.connector import Connector, Delivery, Receives
from reconcile.errors import DeliveryRefused
from reconcile.ledger import Ledger
from reconcile.metrics import Metrics, Unmeasured
from reconcile.receiving import door, parcel
from reconcile.receiving.answer import NOT_STORED, Answer
from reconcile.receiving.committer import complain
from reconcile.receiving.keys import Keys
from reconcile.receiving.parcel import Parcel
from reconcile.receiving.refusals import UNKNOWN, Refusals
from reconcile.receiving.versions import Versions

__all__ = ["MAX_BODY", "OWN_HEADER", "Answer", "Receiver", "SourceOf"]

log = logging.getLogger(__name__)

#: The header of our own POSTs to HTTP targets. A delivery that has it is one of ours: storing it would let the
#: inbox call its own replay a duplicate and drop it.
OWN_HEADER = "reconcile-event"
MAX_BODY = 10_000_000  # bytes

#: The source of that key under `sources:` and its connector, None if there is no such source.
SourceOf = Callable[[str], tuple[SourceConfig, Connector] | None]
#: The secrets that the ledger keeps for a source, in the clear. May block, and raise `LedgerError`.
Kept = Callable[[str], Sequence[str]]

TOO_LARGE = Answer(413, f"more than {MAX_BODY} bytes", reason="too_large")
_NO_SOURCE = Answer(404, "no such source", reason=UNKNOWN)
_OWN = Answer(421, "this is reconcile's own replay: `handler` leads back to its receiver", reason="own_replay")
_OUTSIDE = Answer(403, "deliveries are not accepted from this address", reason="address")
_REASONS = {400: "malformed", 401: "signature"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One source's way in, as long as its configuration stays."""

    source: SourceConfig
    connector: Connector
    receives: Receives
    keys: Keys
    versions: Versions
    throttle: door.Throttle | None


class Receiver:
    """Takes deliveries for every configured source. `stored` is called after each commit, to wake a dispatcher.

    `kept` reads the secrets that the ledger keeps beside the configured ones.
    """

    def __init__(
        self,
        ledger: Ledger,
        sources: SourceOf,
        clock: Clock,
        stored: Callable[[str], None] | None = None,
        *,
        kept: Kept | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.clock = clock
        self.metrics = metrics or Unmeasured()
        self._ledger = ledger
        self._sources = sources
        self._stored = stored
        self._kept = kept
        self._refusals = Refusals(clock.monotonic)
        self._entries: dict[str, Entry] = {}

    def receive(self, source: str, headers: Mapping[str, str], body: bytes, client: str = "") -> Answer:
        """Take one delivery as it came; never raises. A status that is not 2xx makes the provider try again.

        `client` is the address of the connection, which only `allow_from` asks for.
        """
        lowered = {name.lower(): value for name, value in headers.items()}
        entry = self.enter(source, lowered, client)
        if isinstance(entry, Answer):
            return entry
        taken = self.take(entry, lowered, body)
        if isinstance(taken, Answer) and self.renew(entry, taken):
            taken = self.take(entry, lowered, body)
        if isinstance(taken, Answer):
            return self.refuse(source, taken)
        try:
            return self.store([taken])[0]
        except Exception as error:  # noqa: BLE001 - a bug of ours must not lose a delivery either: it comes again
            complain(source, error)
            return self.refuse(source, NOT_STORED, taken)

    def enter(self, name: str, headers: Mapping[str, str], client: str) -> Entry | Answer:
        """What can be said before the body is read. Header names are lower case."""
        entry = self._entry(name)
        if entry is None:
            return self.refuse("", _NO_SOURCE)
        webhook = entry.source.webhook
        if OWN_HEADER in headers:
            return self.refuse(name, _OWN)
        if webhook is not None and webhook.allow_from:
            address = door.sender(client, headers.get("x-forwarded-for", ""), webhook.trusted_proxies)
            if not door.admits(address, webhook.allow_from):
                return self.refuse(name, _OUTSIDE)
        said = headers.get("content-type", "")
        if not _may_be(said, entry.connector.facts.content_types):
            wanted = " or ".join(entry.connector.facts.content_types)
            return self.refuse(name, Answer(415, f"the body must be {wanted}", reason="content_type"))
        return entry

    def take(self, entry: Entry, headers: Mapping[str, str], body: bytes) -> Parcel | Answer:
        """A delivery verified and made ready for the ledger, or why not. No I/O; a refusal is not counted yet."""
        if len(body) > MAX_BODY:
            return TOO_LARGE
        delivery = Delivery(headers, body, self.clock.now())
        try:
            entry.receives.verify(delivery, entry.keys.all)
            identity = entry.receives.identify(delivery)
        except DeliveryRefused as refusal:
            return Answer(refusal.status, refusal.reason, reason=_REASONS.get(refusal.status, "refused"))
        except Exception:
            # A connector that stumbles over what somebody sent: not genuine as far as we can tell, and never a 500.
            log.exception("%s: a delivery could not be verified", entry.source.name)
            return Answer(401, "the delivery could not be verified", reason="signature")
        if entry.throttle is not None and (seconds := entry.throttle.take()):
            return Answer(429, "too many deliveries a second", retry_after=seconds, reason="rate", topic=identity.topic)
        return parcel.pack(entry.source, entry.connector, delivery, identity, entry.versions)

    def due(self, entry: Entry, taken: Parcel | Answer) -> bool:
        """Whether `renew` has to ask the ledger, which blocks."""
        return entry.keys.due(refused=isinstance(taken, Answer) and taken.status == 401)

    def renew(self, entry: Entry, taken: Parcel | Answer) -> bool:
        """After `take`: read the secrets that the ledger keeps, if need be; whether to take the delivery once more."""
        try:
            return self.due(entry, taken) and entry.keys.renew()
        except Exception as error:  # noqa: BLE001 - the secrets known already still count
            log.warning("%s: the secrets kept in the ledger cannot be read: %s", entry.source.name, error)
            return False

    def store(self, parcels: Sequence[Parcel]) -> list[Answer]:
        """Enter all of `parcels` in one commit, or raise with none entered; what to answer each."""
        answers = parcel.store(self._ledger, parcels)
        for one, answer in zip(parcels, answers, strict=True):
            self.metrics.received(one.book.source, one.arrival.description.topic, answer.text)
        for source in {one.book.source: None for one in parcels}:
            self._wake(source)
        return answers

    def refuse(self, source: str, answer: Answer, parcel: Parcel | None = None) -> Answer:
        """Count a refusal and warn of it; `parcel` is the genuine delivery that could not be stored."""
        topic = parcel.arrival.description.topic if parcel else answer.topic
        self.metrics.refused(source, answer.reason, topic)
        self._refusals.tell(source, answer)
        return answer

    def _entry(self, name: str) -> Entry | None:
        found = self._sources(name)
        if found is None:
            return None
        source, connector = found
        known = self._entries.get(name)
        if known is not None and known.source is source:
            return known
        if source.webhook is None or not isinstance(connector, Receives):
            return None
        self._entries[name] = made = self._make(source, connector)
        return made

    def _make(self, source: SourceConfig, connector: Connector) -> Entry:
        assert source.webhook is not None  # noqa: S101 - narrows for mypy; the caller has asked
        assert isinstance(connector, Receives)  # noqa: S101 - as above
        kept, webhook, monotonic = self._kept, source.webhook, self.clock.monotonic
        return Entry(
            source,
            connector,
            connector,
            Keys(
                [secret.get_secret_value() for secret in webhook.secrets],
                None if kept is None else lambda: kept(source.name),
                monotonic,
            ),
            Versions(webhook.api_versions, monotonic),
            door.Throttle(webhook.rate_limit, monotonic) if webhook.rate_limit else None,
        )

    def _wake(self, name: str) -> None:
        """Whatever a hook of somebody else's does, the delivery is stored: a later sweep finds it."""
        if self._stored is not None:
            try:
                self._stored(name)
            except Exception:
                log.exception("%s: a delivery was stored, and nobody could be told", name)


def _may_be(said: str, accepted: Sequence[str]) -> bool:
    """Whether a body of the media type `said` may be one of `accepted`; unsaid, or with none named, any may."""
    kind = said.partition(";")[0].strip().lower()
    if not said or not accepted or kind in accepted:
        return True
    return "application/json" in accepted and kind.startswith("application/") and kind.endswith("+json")
