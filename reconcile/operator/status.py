"""What `reconcile status` shows: what is proven, what is open, what is paused, which runs crashed. No network.

A stream's bar is its time from where it can tell to the newest instant that could be listed by now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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
from reconcile.operator.bar import bar
from reconcile.operator.board import Board, RunStatus, SourceStatus, StreamStatus
from reconcile.reading.memory import earliest
from reconcile.reading.planes import topics_of
from reconcile.reading.proof import satisfies
from reconcile.topics import Topics
from reconcile.transactions.transaction import OPEN
from reconcile.windows import final_part, holes

RUNS_SHOWN = 5


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
    refused = incidents.find(tx, source=source.name, kind=IncidentKind.CREDENTIALS, limit=1)
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
        refused=refused[0].summary if refused else "",
    )


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


def _run(run: Run) -> RunStatus:
    state = "finished" if run.finished_at else "crashed" if run.holder.gone() else "running"
    return RunStatus(run.id, run.command, state, run.started_at, run.finished_at, run.exit_code)
