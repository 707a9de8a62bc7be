"""What the core asks of a connector, capability by capability, and how connectors are found.

A connector is a plain class, made once per source from its validated settings, with a frozen `facts` and
whichever of the protocols below it can honestly satisfy. It inherits nothing; jobs ask `isinstance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from reconcile.errors import ConfigError
from reconcile.http import ProviderClient
from reconcile.model import Candidate, Description, Event, Item, Occurrence, Reported, Snapshot, Subject, Window


class StreamKind(StrEnum):
    """The plane a stream belongs to."""

    LOG = "log"  # an event log: items are `LoggedEvent`
    LIST = "list"  # a resource list: items are `Snapshot`


class FilterBy(StrEnum):
    """The time a stream's window filter looks at."""

    EVENT = "event"  # an event's own time
    UPDATED = "updated"  # the resource's last change: a window shows every object that is now as changed then
    CREATED = "created"  # the resource's creation: later changes of older objects cannot be seen


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What is true of one list of a provider.

    `resolution` is the step of its time filter; requests are widened to it and filtered again here.
    `retention` is how far back it remembers, None for ever.
    `resumable` says whether its cursors survive a crash of ours. `by_place` says that its pages are asked for by number
    or offset: what moves meanwhile can slip between two of them, so a window is listed until two passes agree.
    `parallel` is how many windows may be read at once.
    `resource` is the subject type of its snapshots, empty for a log.
    """

    name: str
    kind: StreamKind
    filter_by: FilterBy
    page_size: int
    resource: str = ""
    resolution: timedelta = timedelta(seconds=1)
    retention: timedelta | None = None
    resumable: bool = False
    by_place: bool = False
    parallel: int = 4


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What is true of one topic: which list proves it (empty if none does), and what an occurrence of it is.

    `unrebuildable` is why no event of it can be built from a list, empty if one can.
    """

    name: str
    kind: Occurrence
    stream: str = ""
    unrebuildable: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of a provider, with the page that says so.

    `rate` is requests per second we allow ourselves unless configured. `stable_ids`: whether a live delivery
    keeps its id when the provider sends it again; where it does not, equal bytes of a topic are a repeat too.
    `terminal_statuses` are, by subject type, the words after which nothing more is expected of a transaction.
    `topic` answers for names not in `topics` as well: a provider has hundreds. `content_types` are the media types of
    its deliveries, `()` for any; `application/json` stands for its relatives (`application/x+json`) too.
    """

    docs: str
    streams: tuple[StreamFacts, ...]
    topics: tuple[TopicFacts, ...]
    rate: float
    stable_ids: bool = True
    terminal_statuses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    content_types: tuple[str, ...] = ("application/json",)

    def stream(self, name: str) -> StreamFacts:
        """The facts of one stream; KeyError if there is none of that name."""
        return {stream.name: stream for stream in self.streams}[name]

    def topic(self, name: str) -> TopicFacts:
        """The facts of one topic; one not in the table happens again and again and cannot be rebuilt."""
        known = {topic.name: topic for topic in self.topics}.get(name)
        return known or TopicFacts(name, Occurrence.REPEATED, unrebuildable="no list shows it")


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


@runtime_checkable
class Connector(Protocol):
    """What every connector has. `Settings` is the pydantic model of its own keys (`extra="forbid"`).

    A field of it that is named as a common key is given that key's value: `base_url`, and of `webhook` the keys that
    are not the core's. `facts` may depend on the settings, so it is an instance that is asked for them.
    """

    facts: Facts
    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: Any) -> None: ...

    def origin(self) -> str:
        """`https://host` of the provider: where credentials may go, unless `base_url` says otherwise."""
        ...

    def headers(self) -> Mapping[str, str]:
        """What every request carries, credentials included."""
        ...

    def accounts(self) -> tuple[str, ...]:
        """The accounts this source reads, `("",)` where there is just its own."""
        ...

    def greet(self, client: ProviderClient) -> Greeting:
        """One cheap authenticated request. Raises `CredentialsRefused`; its `Date` header is provider time."""
        ...


@runtime_checkable
class ListsItems(Protocol):
    """Pages of a stream in a window."""

    def pages(
        self,
        client: ProviderClient,
        stream: StreamRef,
        window: Window,
        topics: Sequence[str],
        cursor: str | None = None,
    ) -> Iterator[Page]:
        """Every page of `window`, the request widened to the stream's resolution; from `cursor` on if given.

        Lazy: the next page is requested when asked for. Items outside the window may be among them.
        For a log, pages come oldest first, and the items of a page oldest first.
        """
        ...


@runtime_checkable
class ReadsItems(Protocol):
    """One resource by id. A list by last change needs it for the recall check, a log does not."""

    def read(self, client: ProviderClient, stream: StreamRef, subject_id: str) -> Snapshot | None:
        """One resource as it is now, None if the provider says it is gone (404, 410)."""
        ...


@runtime_checkable
class Rebuilds(Protocol):
    """Snapshot to the facts it proves."""

    def rebuild(self, snapshot: Snapshot, topics: frozenset[str]) -> Iterable[Candidate]:
        """The facts of `topics` that this snapshot proves, oldest first. Pure; order decides ties."""
        ...


@runtime_checkable
class Receives(Protocol):
    """Live deliveries. Verify before identify before describe; only `describe` may fail on a genuine delivery."""

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Raise `DeliveryRefused(401, …)` unless one of `secrets` signed exactly these bytes (constant time).

        Tolerance is judged by `delivery.received_at`.
        """
        ...

    def identify(self, delivery: Delivery) -> Identity:
        """The provider's id and topic; raises `DeliveryRefused(400, …)` if a genuine delivery must have them."""
        ...

    def describe(self, topic: str, body: bytes, headers: Mapping[str, str]) -> Description:
        """What the body says; raises `ValueError` when it cannot be read."""
        ...


@runtime_checkable
class Signs(Protocol):
    """Signing a replay so that the receiver's own code verifies it."""

    def sign(self, event: Event, secret: str, now: datetime) -> Mapping[str, str]:
        """The provider's headers for POSTing `event.body` at `now`."""
        ...


@runtime_checkable
class SeesSubscriptions(Protocol):
    """The webhook subscriptions a provider has for this account."""

    def subscriptions(self, client: ProviderClient) -> Iterable[Subscription]:
        """All of them, foreign ones included."""
        ...


@runtime_checkable
class ManagesSubscriptions(SeesSubscriptions, Protocol):
    """Making and mending them. What is not ours is never touched; that is the job's to see to."""

    def wanted(self, url: str, topics: Sequence[str], api_version: str) -> Sequence[Wanted]:
        """The subscriptions that `topics` at `url` take here: one for all of them, or one for each. Pure.

        Wildcards become what the provider takes in their place.
        """
        ...

    def mend(self, subscription: Subscription, wanted: Wanted) -> Mend:
        """How `subscription` could become as `wanted`. Pure."""
        ...

    def create(self, client: ProviderClient, wanted: Wanted) -> Subscription:
        """Make one. An unknown outcome leaves as `Retriable`, never tried again in here: it may have been made."""
        ...

    def update(self, client: ProviderClient, subscription: Subscription, wanted: Wanted) -> Subscription | None:
        """Make `subscription` enabled and as `wanted`; None where this provider cannot change what differs."""
        ...

    def delete(self, client: ProviderClient, subscription: Subscription) -> None:
        """Remove one; one that is gone already is no error."""
        ...


@runtime_checkable
class ReportsStatus(Protocol):
    """What became of one transaction. A status the provider has and we do not know is *pending*."""

    def told(self, topic: str, body: bytes) -> Sequence[Reported]:
        """The transactions that an event's body tells of, none for most; raises `ValueError` if unreadable. Pure."""
        ...

    def listed(self, snapshot: Snapshot) -> Sequence[Reported]:
        """The transactions that a listed resource shows. Pure."""
        ...

    def status(self, client: ProviderClient, subject: Subject) -> Reported | None:
        """Ask. None if the provider does not know it (404): perhaps not yet. Raises as every request does."""
        ...


@runtime_checkable
class ReportsTogether(ReportsStatus, Protocol):
    """What became of many transactions in one question, where a provider has a list by id."""

    def together(self, type_: str) -> int:
        """How many transactions of a type one question can be about; 1 where each is asked about alone."""
        ...

    def statuses(self, client: ProviderClient, subjects: Sequence[Subject]) -> Mapping[Subject, Reported]:
        """Ask about up to `together` of one type. Whichever the answer does not settle is asked about alone."""
        ...


def is_unsigned(connector: Connector) -> bool:
    """Whether its deliveries carry nothing that a secret verifies: a connector's hook `unsigned`, if it has one."""
    return bool(getattr(connector, "unsigned", False))


def counts_in_minor_units(connector: object) -> bool:
    """Whether its amounts are whole numbers of the currency's smallest unit: a connector's hook `minor_units`."""
    return bool(getattr(connector, "minor_units", False))


def hands_out_secrets(connector: object) -> bool:
    """Whether making a subscription answers with a secret that is shown once: a connector's hook of that name."""
    return bool(getattr(connector, "hands_out_secrets", False))


CONNECTORS = "reconcile.connectors"


@cache
def connector_class(name: str) -> type[Connector]:
    """The connector called `name` in the entry-point group; `ConfigError` names those there are."""
    loaded = next((point.load() for point in entry_points(group=CONNECTORS) if point.name == name), None)
    if loaded is None:
        raise ConfigError(f"no connector is called {name!r}; there are: {', '.join(connector_names()) or 'none'}")
    found: type[Connector] = loaded
    return found


def connector_names() -> tuple[str, ...]:
    """Every installed connector's name."""
    return tuple(sorted({point.name for point in entry_points(group=CONNECTORS)}))
