"""An item as its provider shows it: in a list, in an answer, in a delivery. The same pointers read all three."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connectors.gateway import moments
from connectors.gateway.pointers import find, tokens_of
from connectors.gateway.settings import GatewaySettings
from reconcile import surrogates
from reconcile.model import Candidate, Occurrence, Reported, Subject, TransactionStatus, micros
from reconcile.safe import safe

log = logging.getLogger(__name__)

#: Decimals are read as such: a float would lose cents.
_ANYTHING = msgspec.json.Decoder(float_hook=Decimal)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,15})?")
_LONGEST = 400  # characters of an id
_MOST_WORDS = 1000
_MOST_DIGITS = 60


class Entry(msgspec.Struct, frozen=True):
    """What we need of an item. `raw` is the provider's own word for `status`, empty if it says none."""

    id: str
    raw: str
    status: TransactionStatus
    created: datetime | None
    updated: datetime | None
    amount: Decimal | None
    currency: str

    @property
    def at(self) -> datetime | None:
        """When it came to what it is, as near as it says."""
        return self.updated or self.created

    @property
    def version(self) -> int | None:
        """Its place in the provider's order."""
        return None if self.at is None else micros(self.at)


def parse(body: bytes | msgspec.Raw) -> dict[str, Any]:
    """A JSON object. Raises `ValueError` if it is none."""
    try:
        value = surrogates.decode(_ANYTHING, body)
    except _UNREADABLE as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - what cannot be read is a ValueError to the inbox
    return value


class Items:
    """Reads items by the configured pointers, and says what facts they prove."""

    def __init__(self, settings: GatewaySettings) -> None:
        fields = settings.fields_
        self.resource = re.split(r"[^A-Za-z0-9_-]", settings.topic)[0] or "transaction"
        self._template = settings.topic
        self._statuses = settings.statuses
        self._zone = ZoneInfo(settings.timezone)
        self._id, self._status = tokens_of(fields.id), tokens_of(fields.status)
        self._created = None if fields.created_at is None else tokens_of(fields.created_at)
        self._updated = None if fields.updated_at is None else tokens_of(fields.updated_at)
        self._amount = None if fields.amount is None else tokens_of(fields.amount)
        self._currency = None if fields.currency is None else tokens_of(fields.currency)
        self._succeeded = self._one_topic_of(TransactionStatus.SUCCEEDED)
        self._said: set[str] = set()

    def id_of(self, item: Any) -> str:
        """An item's id, empty if it has none."""
        return _word(find(item, self._id))

    def raw_of(self, item: Any) -> str:
        """The provider's word for an item's status, empty if it has none."""
        return _word(find(item, self._status))

    def read(self, item: dict[str, Any], *, lenient: bool = False) -> Entry:
        """All we need of an item. Raises `ValueError` where an id, a time or an amount is not one.

        `lenient` passes over times and amounts that cannot be read: a delivery is worth more than its order.
        """
        id_ = self.id_of(item)
        if not id_ or len(id_) > _LONGEST:
            raise ValueError("it has no usable id")
        raw = self.raw_of(item)
        try:
            return self._entry(id_, raw, item)
        except ValueError:
            if not lenient:
                raise
        return Entry(id_, raw, self.status_of(raw), None, None, None, "")

    def _entry(self, id_: str, raw: str, item: dict[str, Any]) -> Entry:
        return Entry(
            id_,
            raw,
            self.status_of(raw),
            self._time(item, self._created),
            self._time(item, self._updated),
            None if self._amount is None else _amount(find(item, self._amount)),
            "" if self._currency is None else _word(find(item, self._currency)),
        )

    def status_of(self, raw: str) -> TransactionStatus:
        """What the provider's word means. One that is not configured is pending, and said once."""
        known = self._statuses.get(raw)
        if known is None and raw and raw not in self._said and len(self._said) < _MOST_WORDS:
            self._said.add(raw)
            log.warning("a %s has the status %s, which `statuses` does not name: pending", self.resource, safe(raw, 60))
        return known or TransactionStatus.PENDING

    def topic_of(self, status: TransactionStatus, raw: str) -> str:
        """The topic of the event that says so."""
        return self._template.replace("{status}", status).replace("{raw}", raw)

    def _one_topic_of(self, status: TransactionStatus) -> str | None:
        """The topic of a status, if all the words for it come to the same one."""
        topics = {self.topic_of(status, raw) for raw, meant in self._statuses.items() if meant is status}
        return topics.pop() if len(topics) == 1 else None

    def subject(self, entry: Entry) -> Subject:
        """Whose events it has."""
        return Subject(self.resource, entry.id)

    def facts(self, entry: Entry, body: bytes, now: datetime | None = None) -> tuple[Candidate, ...]:
        """The events that a terminal item proves, oldest first; their body is the item as answered.

        It came to its status when it says that it last changed, else when it was created, else `now`. What was refunded
        had succeeded before: nobody knows when, but not before it was created.
        """
        happened = entry.at or now
        if not entry.status.terminal or happened is None:
            return ()
        facts = [self._fact(self.topic_of(entry.status, entry.raw), entry, happened, body)]
        if entry.status is TransactionStatus.REFUNDED and self._succeeded is not None:
            facts.insert(0, self._fact(self._succeeded, entry, entry.created or happened, body))
        return tuple(facts)

    def _fact(self, topic: str, entry: Entry, happened: datetime, body: bytes) -> Candidate:
        return Candidate(topic, self.subject(entry), Occurrence.ONCE, happened, entry.version or 0, lambda: body)

    def reported(self, entry: Entry, facts: tuple[Candidate, ...] = ()) -> Reported:
        """The transaction as this item shows it."""
        return Reported(
            subject=self.subject(entry),
            status=entry.status,
            raw=entry.raw,
            amount=entry.amount,
            currency=entry.currency,
            at=entry.created or entry.updated,
            changed_at=entry.updated,
            facts=facts,
        )

    def day_told(self, item: dict[str, Any], *, updated: bool) -> str:
        """The day on which an item was created (or `updated`), if it tells no more than that; else ""."""
        tokens = self._updated if updated else self._created
        found = None if tokens is None else find(item, tokens)
        return str(found) if moments.is_a_day(found) else ""

    def _time(self, item: dict[str, Any], tokens: tuple[str, ...] | None) -> datetime | None:
        found = None if tokens is None else find(item, tokens)
        return None if _is_unset(found) else moments.read(found, self._zone)

    def doubt(self, item: dict[str, Any], *, updated: bool) -> timedelta:
        """How much later than we read it the time may be when an item was created (or `updated`)."""
        tokens = self._updated if updated else self._created
        return timedelta(0) if tokens is None else moments.doubt(find(item, tokens), self._zone)


def _is_unset(time: Any) -> bool:
    """Some write 0 where others write null or nothing."""
    return time is None or time in ("", "0") or (time == 0 and not isinstance(time, bool))


def _word(value: Any) -> str:
    """Text, or what stands for it: ids and statuses come as numbers too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""


def _amount(value: Any) -> Decimal | None:
    """An exact amount in the provider's own unit, None if there is none."""
    if value is None:
        return None
    if isinstance(value, Decimal) and abs(value.adjusted()) > _MOST_DIGITS:
        raise ValueError("its amount has too many digits")  # written out it could fill the memory
    text = value if isinstance(value, str) else f"{value:f}" if isinstance(value, Decimal) else _word(value)
    if isinstance(value, bool) or not _AMOUNT.fullmatch(text):
        raise ValueError("its amount is no decimal number")
    return Decimal(text)
