"""What `reconcile status` shows: what is proven, what is open, what is paused, which runs crashed. No network.

A stream's bar is its time from where it can tell to the newest instant that could be listed by now, in equal cells: a
cell is final only if all of it is, provisional only if all of it was read, else a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconcile.clock import Clock
from reconcile.config import Config, SourceConfig
from reconcile.connector import Facts, StreamFacts, StreamKind
from reconcile.connector.finding import connector_class
from reconcile.ledger import (
    Ledger,
    Tx,
    coverage,
    events,
    gaps,
    horizons,
    incidents,
    mails,
    runs,
    streams,
    targets,
    transactions,
)
from reconcile.ledger.runs import Run
from reconcile.ledger.streams import StreamState
from reconcile.model import EventState, IncidentKind, Window, micros
from reconcile.reading.plan import earliest, satisfies, topics_of
from reconcile.topics import Topics
from reconcile.transactions.transaction import OPEN
from reconcile.windows import final_part, holes, merge

CELLS = 40
FINAL, PROVISIONAL, HOLE = "█", "▒", "·"
RUNS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream. `frontier` is its first hole after the horizon, None when it was never read.

    `start` is from when on it can tell: the horizon, or what a log remembered when it was first read. `holes` are what
    is left to read up to `due`, the newest instant that could be listed by now.
    """

    source: str
    stream: str
    horizon: datetime | None
    frontier: datetime | None
    due: datetime
    bar: str
    holes: tuple[Window, ...] = ()
    valve_closed: bool = False
    error: str = ""
    start: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source: its streams, its events that are not done, its open gaps, its transactions that are not done (by
    state), its target, and how its provider refuses our credentials, if it does.
    """

    source: str
    streams: tuple[StreamStatus, ...]
    waiting: int
    held: int
    dead: int
    gaps: dict[str, int]
    transactions: dict[str, int] = field(default_factory=dict)
    paused: str = ""
    paused_why: str = ""
    paused_since: datetime | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run. `state` is `finished`, `running` or `crashed`; whether another machine's process lives is not known."""

    run: str
    command: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Board:
    """All of it, at one instant. `incidents` are open; `unsent` mails about them have not arrived."""

    at: datetime
    sources: tuple[SourceStatus, ...] = ()
    runs: tuple[RunStatus, ...] = ()
    incidents: int = 0
    unsent: int = 0
    crashed: tuple[RunStatus, ...] = field(default=())


def read(config: Config, ledger: Ledger, clock: Clock) -> Board:
    """The board as the ledger has it, in one snapshot."""
    now = clock.now()
    with ledger.read() as tx:
        sources = tuple(of_source(tx, source, now) for source in config.sources.values())
        recent = tuple(_run(run) for run in runs.recent(tx, RUNS_SHOWN))
        crashed = tuple(_run(run) for run in runs.crashed(tx))
        unsent = mails.unsent(tx)
        return Board(now, sources, recent, incidents.count(tx), unsent.queued + unsent.dead, crashed)


def of_source(tx: Tx, source: SourceConfig, now: datetime) -> SourceStatus:
    """One source as the ledger has it at `now`."""
    counts = events.open_counts(tx, source.name)
    target = targets.get(tx, source.name)
    return SourceStatus(
        source=source.name,
        streams=tuple(_streams(tx, source, now)),
        waiting=counts.get(EventState.WAITING, 0) + counts.get(EventState.CLAIMED, 0),
        held=counts.get(EventState.HELD, 0),
        dead=counts.get(EventState.DEAD, 0),
        gaps={kind: number for (_, kind), number in gaps.count(tx, source=source.name).items()},
        transactions={str(state): number for state, number in transactions.counts(tx, [source.name], OPEN).items()},
        paused=target.paused,
        paused_why=target.reason,
        paused_since=target.since,
        refused=next((one.summary for one in incidents.find(tx, source=source.name, kind=_REFUSED, limit=1)), ""),
    )


_REFUSED = IncidentKind.CREDENTIALS


@dataclass(frozen=True, slots=True)
class _Reader:
    """What is needed to read a source's streams."""

    tx: Tx
    source: SourceConfig
    facts: Facts
    topics: Topics
    horizons: dict[str, datetime]
    now: datetime

    @property
    def settled(self) -> datetime:
        """The newest instant that could be listed by now."""
        return self.now - self.source.settle

    def floors(self, stream: StreamFacts) -> dict[str, datetime]:
        """The horizon of each configured topic that a stream speaks of."""
        is_list = stream.kind is StreamKind.LIST
        names = topics_of(self.facts, stream, self.topics) if is_list else list(self.topics)
        found = {name: self.topics.promised_from(name, self.horizons) for name in names}
        return {name: horizon for name, horizon in found.items() if horizon is not None}


def _streams(tx: Tx, source: SourceConfig, now: datetime) -> list[StreamStatus]:
    connector = connector_class(source.connector)(source.settings)
    topics = Topics(source.webhook.topics if source.webhook else ())
    reader = _Reader(tx, source, connector.facts, topics, horizons.get(tx, source.name), now)
    found: list[StreamStatus] = []
    log_read: list[_Read] = []
    kept = {stream: state for (_, stream), state in streams.all_of(tx, source.name).items()}
    for stream in sorted(kept, key=lambda stream: (not _is_log(reader, stream), stream)):
        facts = _facts(reader, stream)
        if facts is None:
            continue
        covered = _coverage(reader, stream, kept[stream], facts)
        status = _stream(reader, stream, kept[stream], facts, [*covered, *log_read])
        if facts.kind is StreamKind.LOG:
            log_read = covered
        if status is not None:
            found.append(status)
    read_ones = {status.stream.partition("@")[0] for status in found}
    return found + [_unread(reader, name) for name in source.streams or () if name not in read_ones]


def _facts(reader: _Reader, stream: str) -> StreamFacts | None:
    """The facts of a stream by its text; None for one that the connector no longer has."""
    name = stream.partition("@")[0]
    return next((facts for facts in reader.facts.streams if facts.name == name), None)


def _is_log(reader: _Reader, stream: str) -> bool:
    facts = _facts(reader, stream)
    return facts is not None and facts.kind is StreamKind.LOG


@dataclass(frozen=True, slots=True)
class _Read:
    """A covered window, and the part of it that is final."""

    window: Window
    final: Window | None


def _coverage(reader: _Reader, stream: str, state: StreamState, facts: StreamFacts) -> list[_Read]:
    """What counts as read for the topics configured now."""
    floors = {topic: micros(at) for topic, at in reader.floors(facts).items()}
    kept = coverage.load(reader.tx, reader.source.name, stream, state.fingerprint)
    log = facts.kind is StreamKind.LOG
    return [
        _Read(one.window, final_part(one.window, one.read_at, reader.source.overlap))
        for one in kept
        if satisfies(one, floors, log=log, detect_only=reader.source.handler is None)
    ]


def _stream(
    reader: _Reader, stream: str, state: StreamState, facts: StreamFacts, read_: Sequence[_Read]
) -> StreamStatus | None:
    """None for a list that the event log speaks for entirely."""
    horizon = min(reader.floors(facts).values(), default=None)
    due = _due(reader, facts)
    if horizon is not None and horizon >= due and facts.kind is StreamKind.LIST and due < reader.settled:
        return None
    windows = [one.window for one in read_]
    start = _start(reader, facts, horizon, windows)
    asked = Window(start, due) if start is not None and start < due else None
    left = holes(asked, windows) if asked else []
    return StreamStatus(
        source=reader.source.name,
        stream=stream,
        horizon=horizon,
        frontier=left[0].start if left else asked.end if asked else None,
        due=due,
        bar=bar(asked, windows, [one.final for one in read_ if one.final]) if asked else "",
        holes=tuple(left),
        valve_closed=state.valve_closed,
        error=state.error,
        start=start,
    )


def _start(reader: _Reader, facts: StreamFacts, horizon: datetime | None, windows: Sequence[Window]) -> datetime | None:
    """What a stream did not remember when it was first read, it will never tell: no run asks it for that."""
    edge = earliest(facts, reader.now)
    if horizon is None or edge is None:
        return horizon
    return max(horizon, min([edge, *(window.start for window in windows)]))


def _due(reader: _Reader, facts: StreamFacts) -> datetime:
    """Up to when a stream could be read by now; a list only up to where the source's log begins."""
    log = next((one for one in reader.facts.streams if one.kind is StreamKind.LOG), None)
    chosen = reader.source.streams is None or (log is not None and log.name in reader.source.streams)
    edge = earliest(log, reader.now) if log is not None and chosen and facts.kind is StreamKind.LIST else None
    return reader.settled if edge is None else min(reader.settled, edge)


def _unread(reader: _Reader, stream: str) -> StreamStatus:
    return StreamStatus(reader.source.name, stream, None, None, reader.settled, "")


def bar(asked: Window, read_: Sequence[Window], final: Sequence[Window], cells: int = CELLS) -> str:
    """The time of `asked` in equal cells. What is too new to fill half a cell is left out, not called a hole."""
    covered, proven = merge(read_), merge(final)
    end = _end(asked, covered, cells)
    edges = [asked.start + (end - asked.start) * place / cells for place in range(cells + 1)]
    return "".join(_cell(Window(edges[place], edges[place + 1]), covered, proven) for place in range(cells))


def _end(asked: Window, covered: Sequence[Window], cells: int) -> datetime:
    newest = min(covered[-1].end, asked.end) if covered else asked.start
    half = (asked.end - asked.start) / cells / 2
    return newest if asked.start < newest and asked.end - newest < half else asked.end


def _cell(cell: Window, covered: Sequence[Window], proven: Sequence[Window]) -> str:
    if not holes(cell, proven):
        return FINAL
    return HOLE if holes(cell, covered) else PROVISIONAL


def lag(status: StreamStatus) -> timedelta | None:
    """How far the frontier is behind what could be read by now."""
    return None if status.frontier is None else max(timedelta(), status.due - status.frontier)


def _run(run: Run) -> RunStatus:
    state = "finished" if run.finished_at else "crashed" if run.holder.gone() else "running"
    return RunStatus(run.id, run.command, state, run.started_at, run.finished_at, run.exit_code)
