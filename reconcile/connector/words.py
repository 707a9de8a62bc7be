"""What a connector is given and what it answers with, as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconcile.connector.facts import StreamFacts
from reconcile.model import Item


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook request as it came. Header names are lower case. `received_at` is ours, UTC."""

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a delivery is: the provider's id for it, and its topic. Read before storing, so never by a deep parse."""

    id: str
    topic: str


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list. `next` is the provider's token of the page after it, None at the end."""

    items: Sequence[Item]
    next: str | None


@dataclass(frozen=True, slots=True)
class StreamRef:
    """One stream of one account: what coverage is kept for. `account` is "" where a source has just one."""

    name: str
    account: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.account}" if self.account else self.name


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a first authenticated request told: which account this is, and what will not work as configured.

    `account` goes into the fingerprint of coverage, so that other credentials never inherit it.
    `warnings` are said by a run and shown by `check`, those `about` a stream only where it is read; `limits` maps a
    stream to the earliest instant it can be read from (such as Shopify's 60 days without `read_all_orders`);
    `unreadable` says of a stream that these credentials do not reach at all what they lack: reading it raises.
    """

    account: str
    warnings: tuple[str, ...] = ()
    limits: Mapping[str, datetime] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def heard(self, streams: Iterable[StreamFacts]) -> tuple[str, ...]:
        """The warnings that matter to whoever reads `streams`."""
        return (*self.warnings, *(self.about[stream.name] for stream in streams if stream.name in self.about))


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription as the provider has it now.

    `format` is how it writes bodies, empty where there is but one. `secret` is what it signs with, where the
    provider says so: most do only once, when the subscription is made. `mark` is the `Wanted.key` it was made with,
    where the provider keeps such a thing: then `create` under the same key answers as it did the first time.
    """

    id: str
    url: str
    topics: tuple[str, ...]
    enabled: bool
    api_version: str = ""
    format: str = ""
    secret: str = field(default="", repr=False)
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription as it should be. `api_version` and `format` are empty where any will do.

    `key` names one attempt to make it: the same key never makes two, where the provider can promise that.
    """

    url: str
    topics: tuple[str, ...]
    api_version: str = ""
    format: str = ""
    key: str = ""


class Mend(StrEnum):
    """How a provider lets a subscription be made as it should be."""

    UPDATE = "update"  # it can be changed
    ADD = "add"  # what differs is fixed when it is made: make another beside it
    RECREATE = "recreate"  # the same, and there may be only one: the old one must go first
