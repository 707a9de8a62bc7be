"""The words of a plan: how a wanted topic is served, what is done about it, and what that is decided by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconcile.config.urls import same_url
from reconcile.connector import Mend, Subscription, Wanted
from reconcile.topics import Topics


class Found(StrEnum):
    """How a wanted topic is served."""

    OK = "ok"
    MISSING = "missing"
    DISABLED = "disabled"
    WRONG_TOPICS = "wrong_topics"
    WRONG_URL = "wrong_url"
    WRONG_VERSION = "wrong_version"  # or format
    DUPLICATE = "duplicate"


class Action(StrEnum):
    """What is done about it."""

    NONE = "none"
    CREATED = "created"
    ENABLED = "enabled"
    UPDATED = "updated"
    REPORTED = "reported"  # nothing can be done from here, or nothing may


@dataclass(frozen=True, slots=True)
class Row:
    """One wanted topic."""

    topic: str
    found: Found
    action: Action


@dataclass(frozen=True, slots=True)
class Step:
    """One repair, of all the `rows` that ask for it.

    `wanted` is what to make or what `subscription` shall become; `first` has to be deleted before, where there may be
    only one. `why` says what a person has to do where we do nothing.
    """

    rows: tuple[Row, ...]
    wanted: Wanted
    subscription: Subscription | None = None
    first: Subscription | None = None
    why: str = ""

    @property
    def action(self) -> Action:
        """What is done: to create anything outweighs the rest, and to enable something to change it."""
        actions = [row.action for row in self.rows]
        order = (Action.CREATED, Action.ENABLED, Action.UPDATED, Action.REPORTED)
        return next((one for one in order if one in actions), Action.NONE)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every wanted topic in one step, and those of ours that nothing needs once the steps are done."""

    steps: tuple[Step, ...] = ()
    extra: tuple[Subscription, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """One for each wanted topic."""
        return [row for step in self.steps for row in step.rows]


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made of.

    `ours` are the ids recorded as ours, oldest first, and whether what they send can be verified. `accepts` are the API
    versions that will do, none for any. `mend` is the connector's. `prune` allows deleting what is ours.
    """

    observed: Sequence[Subscription]
    mend: Callable[[Subscription, Wanted], Mend]
    ours: Mapping[str, bool] = field(default_factory=dict)
    accepts: Sequence[str] = ()
    prune: bool = False

    def right(self, one: Subscription, wanted: Wanted) -> bool:
        """Whether its bodies are what the source understands; what is not said is right."""
        version = not self.accepts or not one.api_version or one.api_version in self.accepts
        return version and (not wanted.format or not one.format or one.format == wanted.format)

    def usable(self, one: Subscription) -> bool:
        """Whether what it sends can be verified, as far as we know."""
        return self.ours.get(one.id, True)

    def good(self, one: Subscription, wanted: Wanted) -> bool:
        """Whether it counts."""
        return one.enabled and self.usable(one) and self.right(one, wanted)

    def goal(self, one: Subscription, wanted: Wanted) -> Wanted:
        """`wanted` with what is right about `one` already: its topics stay, so does a version that will do."""
        topics = ("*",) if "*" in one.topics else tuple(dict.fromkeys([*one.topics, *wanted.topics]))
        version = one.api_version if self.right(one, wanted) else wanted.api_version
        return replace(wanted, topics=topics, api_version=version)

    def can_become(self, one: Subscription, wanted: Wanted) -> bool:
        """Whether a change makes it `wanted`."""
        return self.mend(one, self.goal(one, wanted)) is Mend.UPDATE


def sends(one: Subscription, topic: str) -> bool:
    """Whether it is subscribed to `topic`; `*` is everything."""
    return topic in Topics(one.topics)


def is_at(one: Subscription, url: str) -> bool:
    """Whether it sends to `url`; an address that is no URL (a queue's) is not one of ours."""
    try:
        return same_url(one.url, url)
    except (KeyError, ValueError):
        return one.url == url
