"""What is true of a provider: stated once by its connector, and never found out at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from reconcile.model import Occurrence


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
