"""The capability protocols: what the core asks of a connector. Each has those it can
honestly satisfy; jobs ask which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from reconcile.connector.facts import Facts
from reconcile.connector.words import Delivery, Greeting, Identity, Mend, Page, StreamRef, Subscription, Wanted
from reconcile.http import ProviderClient
from reconcile.model import Candidate, Description, Event, Reported, Snapshot, Subject, Window


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
