"""What a run asks of a source: per stream the stretch to prove, what of it is left to read, and what nobody can tell.

Pure: coverage, horizons, provider time and the provider's greeting come in, windows go out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconcile.connector import Facts, FilterBy, StreamFacts, StreamKind, StreamRef
from reconcile.ledger.coverage import Covered
from reconcile.model import Window, instant, iso, micros
from reconcile.topics import Topics
from reconcile.windows import clip, final_part, holes, merge

#: Behind the name of a topic that a window was judged for by a source without a handler.
DETECTED = " detected"
#: A log forgets while it is read: we rely on it only as far as it surely remembers until we are through.
LEEWAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a whole source. `now` is provider time; `settle` and `overlap` as configured.

    `horizons` has every configured topic, wildcards as they are written. `limits` is how far back a stream
    can be read at all with these credentials. `detect_only`: there is no handler that could be given what was missed.
    Keys of what happened before `kept_from` were purged when the run began.
    """

    topics: Topics
    horizons: Mapping[str, datetime]
    now: datetime
    settle: timedelta
    overlap: timedelta
    since: datetime | None = None
    until: datetime | None = None
    recheck: bool = False
    streams: tuple[str, ...] | None = None
    account: str = ""
    limits: Mapping[str, datetime] | None = None
    detect_only: bool = False
    kept_from: datetime | None = None

    @property
    def start(self) -> datetime:
        """The earliest instant anything is asked about."""
        return self.since if self.since is not None else min(self.horizons.values(), default=self.now)

    @property
    def end(self) -> datetime:
        """The latest: what happened since may not be listed yet."""
        settled = self.now - self.settle
        return max(self.start, min(self.until, settled) if self.until is not None else settled)

    def floor(self, topic: str) -> int | None:
        """From when on facts of a topic count, microseconds: min(horizon, since). None if it is not subscribed.

        A topic that several configured names mean is promised from the earliest of their horizons on.
        """
        horizon = self.topics.promised_from(topic, self.horizons)
        if horizon is None:
            return None
        return micros(horizon if self.since is None else min(horizon, self.since))


@dataclass(frozen=True, slots=True)
class Beyond:
    """A stretch that a stream cannot speak for. `proven`: what can be read of it is read all the same."""

    window: Window
    reason: str
    proven: bool = False


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream of a run. `need` is what is left to read of `asked`; `floors` what each topic is judged from.

    `elsewhere` is what another plane has proven of it already.
    """

    ref: StreamRef
    facts: StreamFacts
    fingerprint: str
    asked: Window
    need: tuple[Window, ...]
    floors: Mapping[str, int]
    beyond: tuple[Beyond, ...] = ()
    elsewhere: tuple[Window, ...] = ()
    detect_only: bool = False

    @property
    def judged(self) -> Mapping[str, int]:
        """What a window read now is proven for. Without a handler nothing is handled: one that comes later asks for
        more than was judged.
        """
        return (
            {f"{topic}{DETECTED}": floor for topic, floor in self.floors.items()} if self.detect_only else self.floors
        )

    def met_by(self, covered: Covered) -> bool:
        """Whether a covered window answers what is asked."""
        return satisfies(covered, self.floors, log=self.is_log, detect_only=self.detect_only)

    @property
    def is_log(self) -> bool:
        """Whether the stream is the provider's event log."""
        return self.facts.kind is StreamKind.LOG


CoverageOf = Callable[[StreamRef, str], Sequence[Covered]]


def fingerprint(account: str, ref: StreamRef, facts: StreamFacts) -> str:
    """The question that coverage answers: (account, stream, filter). Another question starts anew (C12)."""
    asked = f"{account}\n{ref.account}\n{ref.name}\n{facts.filter_by}\n{facts.resource}"
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


def plan(facts: Facts, ask: Ask, accounts: Iterable[str], coverage_of: CoverageOf) -> list[StreamPlan]:
    """The plan of every stream that the source's topics need, or that it names."""
    plans: list[StreamPlan] = []
    wanted = wanted_streams(facts, ask.topics, ask.streams)
    log = next((stream for stream in wanted if stream.kind is StreamKind.LOG), None)
    for account in accounts:
        log_covered: list[Window] = []
        for stream in sorted(wanted, key=lambda one: one.kind is StreamKind.LIST):
            ref = StreamRef(stream.name, account)
            made = _plan_stream(facts, ask, ref, stream, log, log_covered, coverage_of)
            if stream.kind is StreamKind.LOG:
                covered = coverage_of(ref, made.fingerprint)
                log_covered = _proven(covered, made.floors, ask, log=True)
            if stream.kind is StreamKind.LOG or log is None or made.need or made.beyond:
                plans.append(made)
    return plans


def wanted_streams(facts: Facts, topics: Topics, named: Sequence[str] | None) -> list[StreamFacts]:
    """The streams a source reads: those it names, else its event log and the lists its topics need."""
    if named is not None:
        return [stream for stream in facts.streams if stream.name in named]
    return [one for one in facts.streams if one.kind is StreamKind.LOG or topics_of(facts, one, topics)]


def topics_of(facts: Facts, stream: StreamFacts, topics: Topics) -> list[str]:
    """The subscribed topics that a list can prove facts of."""
    return [topic.name for topic in facts.topics if topic.stream == stream.name and topic.name in topics]


def _floors(facts: Facts, stream: StreamFacts, ask: Ask) -> dict[str, int]:
    names = list(ask.topics) if stream.kind is StreamKind.LOG else topics_of(facts, stream, ask.topics)
    floors = {name: ask.floor(name) for name in names}
    return {name: floor for name, floor in floors.items() if floor is not None}


def _plan_stream(
    facts: Facts,
    ask: Ask,
    ref: StreamRef,
    stream: StreamFacts,
    log: StreamFacts | None,
    log_covered: Sequence[Window],
    coverage_of: CoverageOf,
) -> StreamPlan:
    floors = _floors(facts, stream, ask)
    print_ = fingerprint(ask.account, ref, stream)
    edge = _edge(ask, stream)
    asked = _asked(ask, floors)
    if stream.kind is StreamKind.LIST and log is not None:
        asked = _clamp(asked, to=_edge(ask, log))
    readable = Window(min(max(asked.start, edge), asked.end), asked.end) if edge else asked
    proven = _proven(coverage_of(ref, print_), floors, ask, log=stream.kind is StreamKind.LOG)
    need = [part for hole in holes(readable, [] if ask.recheck else proven) for part in holes(hole, log_covered)]
    lost = Window(asked.start, readable.start)
    beyond = (
        _forgotten(facts, ask, stream, lost, proven)
        if log is stream
        else _beyond(stream, lost, [*proven, *log_covered])
    )
    if stream.filter_by is FilterBy.CREATED:
        reason = f"{ref} can be listed by creation only: what happened in this time to older objects is not proven"
        beyond += [Beyond(part, reason, proven=True) for part in holes(asked, log_covered)]
    needed, elsewhere = tuple(merge(need)), tuple(log_covered)
    return StreamPlan(ref, stream, print_, readable, needed, floors, tuple(beyond), elsewhere, ask.detect_only)


def _asked(ask: Ask, floors: Mapping[str, int]) -> Window:
    """What is asked of a stream: nothing from before the first of its own topics is promised."""
    first = instant(min(floors.values(), default=micros(ask.start)))
    return Window(min(max(ask.start, first), ask.end), ask.end)


def _edge(ask: Ask, stream: StreamFacts) -> datetime | None:
    """The earliest instant a stream can be read from, None if it goes back for ever."""
    remembered = earliest(stream, ask.now)
    edges = [] if remembered is None else [remembered]
    if ask.limits and stream.name in ask.limits:
        edges.append(ask.limits[stream.name])
    return max(edges, default=None)


def earliest(stream: StreamFacts, now: datetime) -> datetime | None:
    """From when on a stream is relied on, by how long its provider remembers; None if that is for ever."""
    return None if stream.retention is None else now - stream.retention + min(LEEWAY, stream.retention / 2)


def _clamp(window: Window, to: datetime | None) -> Window:
    """The part of a list's stretch that the log no longer remembers: nothing if it remembers for ever."""
    end = window.start if to is None else max(window.start, min(window.end, to))
    return Window(window.start, end)


def _beyond(stream: StreamFacts, lost: Window, proven: Sequence[Window]) -> list[Beyond]:
    """What is older than a list shows, as far as nothing has proven it in time. Never clamped silently (C11)."""
    reason = f"{stream.name} cannot be read before {iso(lost.end)}, and no other list shows it"
    return [Beyond(part, reason) for part in holes(lost, clip(proven, lost))]


def _forgotten(facts: Facts, ask: Ask, log: StreamFacts, lost: Window, proven: Sequence[Window]) -> list[Beyond]:
    """What a log has forgotten of those topics that none of the lists that are read can show (C11)."""
    lists = {stream.name for stream in wanted_streams(facts, ask.topics, ask.streams)}
    floors = {name: ask.floor(name) for name in ask.topics if not _listed(facts, name, lists)}
    unlisted = {name: floor for name, floor in floors.items() if floor is not None and floor < micros(lost.end)}
    if not unlisted:
        return []
    lost = Window(max(lost.start, instant(min(unlisted.values()))), lost.end)
    who = f"for {', '.join(unlisted)} no list goes back further"
    reason = f"{log.name} cannot be read before {iso(lost.end)}, and {who}"
    return [Beyond(part, reason) for part in holes(lost, clip(proven, lost))]


def _listed(facts: Facts, name: str, lists: Collection[str]) -> bool:
    """Whether one of `lists` can prove facts of a topic; a wildcard is only listed if all it may mean is."""
    if name.endswith("*"):
        return False
    topic = facts.topic(name)
    return topic.stream in lists and not topic.unrebuildable


def _proven(covered: Iterable[Covered], floors: Mapping[str, int], ask: Ask, *, log: bool) -> list[Window]:
    """What needs no further reading: judged for all these topics from these times on, and read late enough."""
    met = (one for one in covered if satisfies(one, floors, log=log, detect_only=ask.detect_only))
    finals = (final_part(one.window, one.read_at, ask.overlap) for one in met)
    return merge(window for window in finals if window is not None)


def unlisted(facts: Facts, topics: Topics) -> dict[str, str]:
    """The subscribed topics that neither a log nor a list shows, and why: only a live delivery brings them."""
    if any(stream.kind is StreamKind.LOG for stream in facts.streams):
        return {}
    names = topics.exact.union(topic.name for topic in facts.topics if topic.name in topics)
    found = (facts.topic(name) for name in sorted(names))
    return {topic.name: topic.unrebuildable for topic in found if not topic.stream}


def satisfies(covered: Covered, floors: Mapping[str, int], *, log: bool, detect_only: bool = False) -> bool:
    """Whether a covered window was judged for every topic of `floors`, from as early on. What was judged without a
    handler is enough only where there is none now (`detect_only`).

    An entry of a log happens in its own window, so what was judged from before the window on is judged in full,
    and what is asked from its end on only is not asked of it at all. A list shows facts older than its window, so there
    the floors themselves are compared.
    """
    start, end = micros(covered.window.start), micros(covered.window.end)
    for topic, floor in floors.items():
        if log and floor >= end:
            continue
        least = max(floor, start) if log else floor
        names = (topic, f"{topic}{DETECTED}") if detect_only else (topic,)
        if not any(covered.floors.get(name, least + 1) <= least for name in names):
            return False
    return True
