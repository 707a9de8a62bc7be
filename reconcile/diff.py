"""Items of a page against what the record knows of them: findings. Pure.

`questions` turns a page into what must be asked of the ledger; `findings` turns the answers into what is missing,
pending or wrong. The ledger is asked in between, by `reconcile.reading.judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

from reconcile.model import (
    EPOCH,
    Arrival,
    Candidate,
    Description,
    GapKind,
    LoggedEvent,
    Occurrence,
    Origin,
    Snapshot,
    Subject,
    Window,
    fact_id,
    instant,
    micros,
)

#: Looked up once: an enumeration's own lookup takes a tenth of the judgement of a listed fact.
_REPEATED, _STATE = Occurrence.REPEATED, Occurrence.STATE


class Standing(IntEnum):
    """How the record stands to one fact, worst first: an item is counted by the worst of its facts."""

    GAP = 0
    MISSING = 1
    OPEN = 2
    SUPERSEDED = 3
    DONE = 4


@dataclass(frozen=True, slots=True)
class Holder:
    """The event that holds a fact: its row, how it stands, and whether it was rebuilt."""

    seq: int
    standing: Standing
    reconstructed: bool = False


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One fact of one item of a page; `place` is the item's place on the page."""

    place: int
    candidate: Candidate


@dataclass(slots=True)
class Questions:
    """What a page asks of the record, and what of it needs no question.

    `facts` and `states` are asked by key and by (subject, version); `ids` by the provider's id. `filtered` counts
    items that are repeats, outside the window, or prove no subscribed fact; `beside` the first two. `seen` are the
    items none of whose facts accounts for their version: the ledger may know those in an older one. `repeated` are
    the places in `facts` of those that happen again and again.
    """

    facts: list[Asked] = field(default_factory=list)
    states: list[Asked] = field(default_factory=list)
    ids: list[tuple[int, LoggedEvent]] = field(default_factory=list)
    seen: list[Snapshot] = field(default_factory=list)
    filtered: int = 0
    beside: int = 0
    judged: int = 0
    repeated: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GapFound:
    """A fact that cannot be made good by an event of ours; `candidate` is what a list shows of it."""

    place: int
    kind: GapKind
    key: str
    topic: str
    subject: Subject | None
    reason: str
    candidate: Candidate | None = None


@dataclass(slots=True)
class Findings:
    """What a page came to. Places are the items' places on the page; one item may stand in several lists."""

    missing: list[tuple[int, Arrival]] = field(default_factory=list)
    imported: list[tuple[int, Arrival]] = field(default_factory=list)
    held: list[tuple[int, Holder]] = field(default_factory=list)
    gaps: list[GapFound] = field(default_factory=list)

    def classes(self) -> dict[int, Standing]:
        """The worst standing of each item that is not simply done."""
        worst = dict.fromkeys((gap.place for gap in self.gaps), Standing.GAP)
        for place, _ in self.missing:
            worst[place] = min(worst.get(place, Standing.MISSING), Standing.MISSING)
        for place, holder in self.held:
            worst[place] = min(worst.get(place, holder.standing), holder.standing)
        return worst


Rebuild = Callable[[Snapshot, frozenset[str]], Iterable[Candidate]]
Floor = Callable[[str], int | None]


def ask_snapshots(
    items: Sequence[Snapshot], window: Window, seen: set[tuple[str, int]], rebuild: Rebuild, floors: Mapping[str, int]
) -> Questions:
    """The questions of a page of a resource list.

    `floors` maps each topic to the earliest fact time judged, in microseconds; a fact counts on its *own* time,
    whichever window listed it. `seen` is the (id, version) of every item the window listed so far; it grows.
    """
    asked = Questions()
    facts, states, repeated = asked.facts, asked.states, asked.repeated
    topics, start, end = frozenset(floors), window.start, window.end
    earliest = {topic: instant(floor) for topic, floor in floors.items()}
    judged = 0
    for place, item in enumerate(items):
        mark = (item.subject.id, item.version)
        if mark in seen or not start <= item.at < end:
            asked.beside += 1
            continue
        seen.add(mark)
        counted = carried = False
        for one in rebuild(item, topics):
            if one.occurred_at < earliest[one.topic]:
                continue
            counted = True
            kind = one.kind
            if not carried and one.whole:
                # Whether it has a `Candidate.carried`, written out: a call takes half as long again, for every fact.
                since = one.occurred_at - EPOCH
                carried = kind is _STATE or one.version // 1_000_000 == since.days * 86_400 + since.seconds
            if kind is _REPEATED:
                repeated.append(len(facts))
            (states if kind is _STATE else facts).append(Asked(place, one))
        if not carried:
            asked.seen.append(item)
        judged += counted
    asked.judged = judged
    asked.filtered = len(items) - asked.judged
    return asked


def ask_log(items: Sequence[LoggedEvent], window: Window, seen: set[tuple[str, int]], floor: Floor) -> Questions:
    """The questions of a page of an event log. `floor(topic)` is None for a topic nobody subscribed to."""
    asked = Questions()
    for place, item in enumerate(items):
        at = micros(item.at)
        least = floor(item.description.topic)
        beside = (item.id, at) in seen or item.at not in window
        if beside or least is None or at < least:
            asked.filtered += 1
            asked.beside += beside
            continue
        seen.add((item.id, at))
        asked.ids.append((place, item))
        asked.judged += 1
    return asked


def of_log(
    lacking: Sequence[tuple[int, LoggedEvent]], holders: Mapping[str, Holder], elsewhere: AbstractSet[str] = frozenset()
) -> Findings:
    """Findings for the logged events no finished event accounts for; `holders` are by the provider's id.

    `elsewhere` are the keys the app's own record says it handled.
    """
    found = Findings()
    for place, item in lacking:
        holder = holders.get(item.id)
        if holder is not None:
            found.held.append((place, holder))
            continue
        arrival = Arrival(
            item.id, item.description, item.body, Origin.BACKFILL, item.headers, carried=item.description.version
        )
        (found.imported if item.id in elsewhere else found.missing).append((place, arrival))
    return found


def of_snapshots(
    source: str, lacking: Sequence[tuple[Asked, Holder | None]], elsewhere: AbstractSet[str] = frozenset()
) -> Findings:
    """Findings for the facts no finished event accounts for, each with who else holds it.

    `elsewhere` are the keys the app's own record says it handled.
    """
    found = Findings()
    states: list[Asked] = []
    carried: dict[int, int] = {}
    for asked, holder in lacking:
        candidate = asked.candidate
        if holder is not None and candidate.kind is Occurrence.REPEATED and not holder.reconstructed:
            found.gaps.append(_not_rebuildable(asked, "it happens again and again, and one was recorded already"))
        elif holder is not None:
            found.held.append((asked.place, holder))
        elif candidate.key in elsewhere:
            found.imported.append((asked.place, rebuilt(source, candidate)))
            _carry(carried, asked)
        elif candidate.reason:
            found.gaps.append(_not_rebuildable(asked, candidate.reason))
        elif candidate.kind is Occurrence.STATE:
            states.append(asked)
        else:
            found.missing.append((asked.place, rebuilt(source, candidate)))
            _carry(carried, asked)
    # An order just created needs `orders/create` only: the event rebuilt for it carries the same state.
    needed = (asked for asked in states if carried.get(asked.place, -1) < asked.candidate.version)
    found.missing.extend((asked.place, rebuilt(source, asked.candidate)) for asked in needed)
    return found


def _carry(carried: dict[int, int], asked: Asked) -> None:
    if asked.candidate.carried is not None:
        carried[asked.place] = max(asked.candidate.carried, carried.get(asked.place, asked.candidate.carried))


def _not_rebuildable(asked: Asked, reason: str) -> GapFound:
    candidate = asked.candidate
    key, topic, subject = candidate.key, candidate.topic, candidate.subject
    return GapFound(asked.place, GapKind.NOT_REBUILDABLE, key, topic, subject, reason, candidate)


def rebuilt(source: str, candidate: Candidate) -> Arrival:
    """The event built of a fact: its id is a UUIDv5 of the fact, the same on every machine and run."""
    description = Description(
        topic=candidate.topic,
        subject=candidate.subject,
        kind=candidate.kind,
        occurrence=candidate.occurrence,
        version=candidate.version,
        occurred_at=candidate.occurred_at,
        api_version=candidate.api_version,
    )
    return Arrival(
        id=fact_id(source, candidate.key),
        description=description,
        body=candidate.body(),
        origin=Origin.BACKFILL,
        reconstructed=True,
        carried=candidate.carried,
    )
