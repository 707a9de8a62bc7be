"""What is the matter with a source, by what the ledger holds: gaps, pauses, closed valves, lags and silence."""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import timedelta

from reconcile import when
from reconcile.alerts.keys import GAP, STATE
from reconcile.alerts.missed import is_for, turn
from reconcile.config import AlertsConfig, Config, SourceConfig
from reconcile.connector.finding import connector_class
from reconcile.ledger import Tx, incidents, watching
from reconcile.ledger.incidents import Opening
from reconcile.ledger.watching import OpenGap
from reconcile.model import GapKind, IncidentKind
from reconcile.operator import status
from reconcile.operator.board import SourceStatus, StreamStatus

#: People are told when no more than this part of what the provider remembers is left.
_LAST_PART = 4
#: A source with fewer live deliveries within a week is too quiet to tell silence from peace.
_ENOUGH, _WEEK = 5, timedelta(days=7)
#: Silence is no news before so many times the mean wait between two deliveries.
_PATIENCE = 5

_KINDS = {GapKind.DEAD: IncidentKind.DEAD, GapKind.BEYOND_RETENTION: IncidentKind.RETENTION}


def of_gaps(tx: Tx, source: str, ids: set[int], known: Container[tuple[str, str]]) -> Iterator[Opening]:
    """An incident for each open gap that has none yet."""
    new = {id_ for id_ in ids if (source, f"{GAP}{id_}") not in known}
    return (_of_gap(source, gap) for gap in watching.open_gaps(tx, new))


def _of_gap(source: str, gap: OpenGap) -> Opening:
    kind = _KINDS.get(gap.kind, IncidentKind.GAP)
    what = " ".join(filter(None, (gap.topic, str(gap.subject or ""))))
    reason = gap.reason if kind is not IncidentKind.GAP else f"{gap.kind}: {gap.reason}"
    dead = gap.kind is GapKind.DEAD
    return Opening(
        source,
        kind,
        f"{GAP}{gap.id}",
        f"{what}: {reason}" if what else reason,
        since=gap.opened_at,
        command=incidents.command("gaps", "retry" if dead else "show", str(gap.id)),
        reference=gap.key,
        tried=f"The handler was called {gap.attempts} times." if dead and gap.attempts > 1 else "",
    )


def of_source(tx: Tx, config: Config, source: SourceConfig, limits: AlertsConfig) -> list[Opening]:
    """An incident for whatever holds a source up now."""
    found = status.of_source(tx, source, tx.now)
    opened = _paused(found) + _silent(tx, source, limits)
    for stream in found.streams:
        opened += _valve(found, stream) + _lag(tx, config, stream, limits) + _retention(tx, source, stream)
    return opened


def _paused(source: SourceStatus) -> list[Opening]:
    if not source.paused:
        return []
    by = "by hand" if source.paused == "hand" else "because its target keeps failing"
    why = f": {source.paused_why}" if source.paused_why not in ("", "by hand") else ""
    return [
        Opening(
            source.source,
            IncidentKind.PAUSED,
            f"{STATE}paused",
            f"delivery is paused {by}{why}",
            since=source.paused_since,
            command=incidents.command("resume", source.source),
        )
    ]


def _valve(source: SourceStatus, stream: StreamStatus) -> list[Opening]:
    if not stream.valve_closed:
        return []
    return [
        Opening(
            source.source,
            IncidentKind.VALVE,
            f"{STATE}valve:{stream.stream}",
            f"more was found missing in {stream.stream} than is let through unasked; {source.held} events are held. "
            "If your service has handled them already, `reconcile baseline` says so instead",
            command=incidents.command("run", "--force", "--source", source.source),
        )
    ]


def _lag(tx: Tx, config: Config, stream: StreamStatus, limits: AlertsConfig) -> list[Opening]:
    """A stream that is behind what should have been proven since some turns of its schedule."""
    schedules = [one for one in config.schedules if one.job == "backfill" and is_for(one, stream.source)]
    if not schedules or stream.frontier is None or not stream.holes:
        return []
    settle = config.sources[stream.source].settle
    turns = [turn(one, config, tx, limits.lag) for one in schedules]
    # What a turn could read ends `settle` before it.
    if stream.frontier >= max(turns) - settle:
        return []
    why = f": {stream.error}" if stream.error else ""
    return [
        Opening(
            stream.source,
            IncidentKind.COVERAGE,
            f"{STATE}coverage:{stream.stream}",
            f"{stream.stream} is proven up to {when.stamp(stream.frontier)} only{why}",
            since=stream.frontier,
            command=incidents.command("run", "backfill", "--source", stream.source),
        )
    ]


def _retention(tx: Tx, source: SourceConfig, stream: StreamStatus) -> list[Opening]:
    """A hole that the provider soon cannot show any more."""
    facts = connector_class(source.connector)(source.settings).facts
    remembers = next((one.retention for one in facts.streams if one.name == stream.stream.partition("@")[0]), None)
    if remembers is None or not stream.holes:
        return []
    oldest = stream.holes[0].start
    ends = oldest + remembers
    if ends - tx.now > remembers / _LAST_PART:
        return []
    until = f"is gone at {when.stamp(ends)}" if ends > tx.now else f"has been going since {when.stamp(ends)}"
    return [
        Opening(
            source.name,
            IncidentKind.RETENTION,
            f"{STATE}retention:{stream.stream}",
            f"{stream.stream} is not read from {when.stamp(oldest)} on, and that {until}",
            since=oldest,
            command=incidents.command("run", "backfill", "--source", source.name),
        )
    ]


def _silent(tx: Tx, source: SourceConfig, limits: AlertsConfig) -> list[Opening]:
    """No live deliveries where there used to be some."""
    last = watching.last_live(tx, source.name)
    if last is None or source.webhook is None or tx.now - last < limits.silence.deliveries:
        return []
    number = watching.live_within(tx, source.name, last, _WEEK)
    if number < _ENOUGH or tx.now - last < _PATIENCE * _WEEK / number:
        return []
    return [
        Opening(
            source.name,
            IncidentKind.SILENCE,
            f"{STATE}deliveries",
            f"no live delivery since {when.stamp(last)}, after {number} in the week before",
            since=last,
            command=incidents.command("check"),
        )
    ]
