"""What a run reads of a source: per stream the stretch to prove, what of it is left to read, and what nobody can tell.

Pure: coverage, horizons, provider time and the provider's greeting come in, windows go out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconcile.connector import Facts, FilterBy, StreamFacts, StreamKind, StreamRef
from reconcile.ledger.coverage import Covered
from reconcile.model import Window, instant, micros
from reconcile.reading import memory, proof
from reconcile.reading.memory import Beyond
from reconcile.reading.planes import topics_of, wanted_streams
from reconcile.reading.question import Ask, fingerprint
from reconcile.windows import holes, merge


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
            {f"{topic}{proof.DETECTED}": floor for topic, floor in self.floors.items()}
            if self.detect_only
            else self.floors
        )

    def met_by(self, covered: Covered) -> bool:
        """Whether a covered window answers what is asked."""
        return proof.satisfies(covered, self.floors, log=self.is_log, detect_only=self.detect_only)

    @property
    def is_log(self) -> bool:
        """Whether the stream is the provider's event log."""
        return self.facts.kind is StreamKind.LOG


CoverageOf = Callable[[StreamRef, str], Sequence[Covered]]


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
                log_covered = proof.proven(covered, made.floors, ask, log=True)
            if stream.kind is StreamKind.LOG or log is None or made.need or made.beyond:
                plans.append(made)
    return plans


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
    edge = memory.edge(ask, stream)
    asked = _asked(ask, floors)
    if stream.kind is StreamKind.LIST and log is not None:
        asked = _clamp(asked, to=memory.edge(ask, log))
    readable = Window(min(max(asked.start, edge), asked.end), asked.end) if edge else asked
    proven = proof.proven(coverage_of(ref, print_), floors, ask, log=stream.kind is StreamKind.LOG)
    need = [part for hole in holes(readable, [] if ask.recheck else proven) for part in holes(hole, log_covered)]
    lost = Window(asked.start, readable.start)
    beyond = (
        memory.forgotten(facts, ask, stream, lost, proven)
        if log is stream
        else memory.beyond(stream, lost, [*proven, *log_covered])
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


def _clamp(window: Window, to: datetime | None) -> Window:
    """The part of a list's stretch that the log no longer remembers: nothing if it remembers for ever."""
    end = window.start if to is None else max(window.start, min(window.end, to))
    return Window(window.start, end)
