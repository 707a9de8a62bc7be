"""What a connector is tried against: a twin of its provider, and how to reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx

from reconcile.clock import Clock
from reconcile.connector import Connector, ListsItems, Page, StreamFacts, StreamRef
from reconcile.connector.finding import connector_class
from reconcile.connector.hooks import pace_of, refresh_of
from reconcile.http import HttpLimits, ProviderClient, RateBudget
from reconcile.model import Item, LoggedEvent, Snapshot, Window
from reconcile.reading.listing import guarded
from reconcile.sandbox.clock import SettableClock

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

Handle = Callable[[httpx.Request], httpx.Response]


@dataclass(frozen=True, slots=True)
class Sample:
    """A genuine delivery: `headers` in any case, the exact `body`, and the topic it is for."""

    topic: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Vector:
    """A signed delivery as the provider's own code makes it, and when it was received."""

    secret: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime = NOW


@dataclass(frozen=True, slots=True)
class World:
    """A provider with something in it.

    `handle` answers requests. `ids` are all the resources (or log entries) of `stream` whose time lies in `window`;
    more of them than a page holds should share one instant. `gone` is an id the provider no longer knows.
    `deliveries` are webhooks it sent for what `stream` shows, signed with the contract's `secret` at `NOW`.
    """

    handle: Handle
    stream: StreamRef
    window: Window
    ids: frozenset[str]
    gone: str = ""
    deliveries: tuple[Sample, ...] = ()


class Bench:
    """What all parts of the contract share: made from the class attributes of the author's test class."""

    name: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Any]] = {}
    secret: ClassVar[str] = "whsec_dummy"
    vector: ClassVar[Vector | None] = None
    #: Whether a signature covers the body; a static token in a header says only who sent it.
    body_is_signed: ClassVar[bool] = True
    #: Keys of an answer that a genuine one may lack, such as the next page's token: their absence proves nothing.
    optional_keys: ClassVar[frozenset[str]] = frozenset()

    def worlds(self, clock: SettableClock) -> Iterable[World]:
        """A world for each stream; `clock` stands at `NOW` when they are asked."""
        raise NotImplementedError

    def samples(self) -> Iterable[Sample]:
        """Deliveries that belong to no world: all there are, where a connector only receives."""
        return ()

    def connector(self) -> Any:
        """The connector under test, found as the runner finds it."""
        found = connector_class(self.name)
        return found(found.Settings.model_validate(dict(self.settings)))

    def each(self) -> Iterator[tuple[Any, World, StreamFacts]]:
        """Connector, world and stream facts, one after the other; a connector that lists must have a world."""
        connector = self.connector()
        worlds = list(self.worlds(SettableClock(NOW)))
        assert worlds or not has(connector, ListsItems), "worlds() gives nothing to list"
        for world in worlds:
            yield self.connector(), world, connector.facts.stream(world.stream.name)


def has(connector: Any, capability: type) -> bool:
    """Whether the connector claims a capability; what it does not claim there is nothing to prove of."""
    return isinstance(connector, capability)


def client_for(connector: Connector, handle: Handle, clock: Clock | None = None) -> ProviderClient:
    """A client whose every request goes to `handle`, with the connector's own `pace` and `refresh`, in virtual time."""
    clock = clock or SettableClock(NOW)
    return ProviderClient(
        source="contract",
        origin=connector.origin(),
        headers=connector.headers,
        clock=clock,
        budget=RateBudget(1_000_000.0, clock),
        limits=HttpLimits(attempts=2),
        transport=httpx.MockTransport(handle),
        pace=pace_of(connector),
        refresh=refresh_of(connector),
    )


def pages_of(connector: Any, world: World, window: Window, cursor: str | None = None) -> list[Page]:
    """Every page of `window`, as the runner asks for them: for all topics, and an error if they never end (C8)."""
    topics = [topic.name for topic in connector.facts.topics]
    client = client_for(connector, world.handle)
    pages = connector.pages(client, world.stream, window, topics, cursor)
    return list(guarded(iter(pages), str(world.stream)))


def items_of(connector: Any, world: World, window: Window) -> list[Item]:
    """The items of `window`, filtered as the core does: half-open, each (id, version) once."""
    found: dict[tuple[str, int], Item] = {}
    for page in pages_of(connector, world, window):
        for item in page.items:
            if item.at in window:
                found.setdefault(mark(item), item)
    return list(found.values())


def mark(item: Item) -> tuple[str, int]:
    """What makes two items the same."""
    return (item.subject.id, item.version) if isinstance(item, Snapshot) else (item.id, 0)


def ids_of(items: Iterable[Item]) -> frozenset[str]:
    """Subject ids of snapshots, own ids of log entries."""
    return frozenset(item.id if isinstance(item, LoggedEvent) else item.subject.id for item in items)


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names in lower case, as the receiver hands them on."""
    return {name.lower(): value for name, value in headers.items()}


def narrowed(world: World, start: datetime, end: datetime) -> Window:
    """A part of the world's window."""
    return replace(world.window, start=start, end=end)
