"""What the ledger's own state says people should know: incidents opened and closed by looking, never by being told.

What happened is committed with the state it changed: a gap, a pause, a closed valve, coverage. Looking at that state
always gives the same incidents, so a crash between the change and the look loses none (A1). Incidents that no state
shows (a repaired subscription) are opened where they happen and left alone here, but for one: a transaction that waits
for a person has an open incident, also after its source was not configured for a while.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from reconcile import rhythm, when
from reconcile.config import AlertsConfig, Config, ScheduleConfig, SourceConfig
from reconcile.connector.finding import connector_class
from reconcile.ledger import Ledger, Tx, incidents, leases, watching
from reconcile.ledger.incidents import Opening
from reconcile.ledger.leases import Lease
from reconcile.ledger.rowset import chunks
from reconcile.ledger.watching import OpenGap
from reconcile.model import GapKind, IncidentKind, Subject
from reconcile.operator import status
from reconcile.operator.board import SourceStatus, StreamStatus
from reconcile.safe import safe
from reconcile.transactions import hearing
from reconcile.transactions.transaction import LEFT

#: Incidents of these keys are ours to close: they are opened here and nowhere else.
_GAP, _STATE = "gap:", "state:"
#: Told of by whoever asks for statuses, who knows the amounts.
_OTHERS = (GapKind.STATUS_MISMATCH,)
#: People are told when no more than this part of what the provider remembers is left.
_LAST_PART = 4
#: A source with fewer live deliveries within a week is too quiet to tell silence from peace.
_ENOUGH, _WEEK = 5, timedelta(days=7)
#: Silence is no news before so many times the mean wait between two deliveries.
_PATIENCE = 5

#: The limits where nobody is mailed, and `alerts:` says nothing.
_DEFAULTS = AlertsConfig.model_construct()
#: Incidents opened in one commit.
_AT_ONCE = 1000

_KINDS = {GapKind.DEAD: IncidentKind.DEAD, GapKind.BEYOND_RETENTION: IncidentKind.RETENTION}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the state says: incidents to open or to refresh, the numbers of those that are over, by their note, and
    transactions of each source that wait for a person nobody tells of them.
    """

    openings: list[Opening]
    over: dict[str, list[int]]
    untold: dict[str, list[Subject]]


def look(tx: Tx, config: Config, sources: Sequence[SourceConfig], limits: AlertsConfig | None) -> Seen:
    """What is the matter with `sources` now. Reads only: `write` puts it down, in as many commits as it likes."""
    known = incidents.open_keys(tx)
    limits = limits or _DEFAULTS
    found: list[Opening] = []
    gaps: dict[str, set[int]] = {}
    for source in sources:
        gaps[source.name] = watching.open_gap_ids(tx, source.name, _OTHERS)
        found += _gaps(tx, source.name, gaps[source.name], known)
        found += _states(tx, config, source, limits)
    found += _runs(tx, config, limits)
    keys = {(one.source, one.key) for one in found}
    over = [id_ for (name, key), id_ in known.items() if name in {"", *gaps} and _is_over(name, key, keys, gaps)]
    gone = [id_ for (name, _), id_ in known.items() if name and name not in config.sources]
    untold = {source.name: _untold(tx, source.name, known) for source in sources}
    return Seen(found, {"": over, "the source is not configured any more": gone}, untold)


def write(ledger: Ledger, lease: Lease, seen: Seen) -> None:
    """Open and close what was seen. A thousand at a time: on SQLite others wait for whoever writes."""
    for openings in chunks(seen.openings, _AT_ONCE):
        with ledger.write() as tx:
            leases.check(tx, lease)
            incidents.open_all(tx, openings)
    for source, untold in seen.untold.items():
        for subjects in chunks(untold, _AT_ONCE):
            with ledger.write() as tx:
                leases.check(tx, lease)
                hearing.tell_again(tx, source, subjects)
    if any(seen.over.values()):
        with ledger.write() as tx:
            leases.check(tx, lease)
            for note, ids in seen.over.items():
                incidents.close_ids(tx, ids, note)


def _is_over(source: str, key: str, found: set[tuple[str, str]], gaps: dict[str, set[int]]) -> bool:
    if key.startswith(_GAP):
        return int(key.removeprefix(_GAP)) not in gaps.get(source, set())
    return key.startswith(_STATE) and (source, key) not in found


def _untold(tx: Tx, source: str, known: Container[tuple[str, str]]) -> list[Subject]:
    return [one for one in watching.left(tx, source, LEFT) if (source, safe(str(one))) not in known]


def _gaps(tx: Tx, source: str, ids: set[int], known: Container[tuple[str, str]]) -> Iterator[Opening]:
    """An incident for each open gap that has none yet."""
    new = {id_ for id_ in ids if (source, f"{_GAP}{id_}") not in known}
    return (_of_gap(source, gap) for gap in watching.open_gaps(tx, new))


def _of_gap(source: str, gap: OpenGap) -> Opening:
    kind = _KINDS.get(gap.kind, IncidentKind.GAP)
    what = " ".join(filter(None, (gap.topic, str(gap.subject or ""))))
    reason = gap.reason if kind is not IncidentKind.GAP else f"{gap.kind}: {gap.reason}"
    dead = gap.kind is GapKind.DEAD
    return Opening(
        source,
        kind,
        f"{_GAP}{gap.id}",
        f"{what}: {reason}" if what else reason,
        since=gap.opened_at,
        command=incidents.command("gaps", "retry" if dead else "show", str(gap.id)),
        reference=gap.key,
        tried=f"The handler was called {gap.attempts} times." if dead and gap.attempts > 1 else "",
    )


def _states(tx: Tx, config: Config, source: SourceConfig, limits: AlertsConfig) -> list[Opening]:
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
            f"{_STATE}paused",
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
            f"{_STATE}valve:{stream.stream}",
            f"more was found missing in {stream.stream} than is let through unasked; {source.held} events are held. "
            "If your service has handled them already, `reconcile baseline` says so instead",
            command=incidents.command("run", "--force", "--source", source.source),
        )
    ]


def _lag(tx: Tx, config: Config, stream: StreamStatus, limits: AlertsConfig) -> list[Opening]:
    """A stream that is behind what should have been proven since some turns of its schedule."""
    schedules = [one for one in config.schedules if one.job == "backfill" and _is_for(one, stream.source)]
    if not schedules or stream.frontier is None or not stream.holes:
        return []
    settle = config.sources[stream.source].settle
    turns = [_turn(one, config, tx, limits.lag) for one in schedules]
    # What a turn could read ends `settle` before it.
    if stream.frontier >= max(turns) - settle:
        return []
    why = f": {stream.error}" if stream.error else ""
    return [
        Opening(
            stream.source,
            IncidentKind.COVERAGE,
            f"{_STATE}coverage:{stream.stream}",
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
            f"{_STATE}retention:{stream.stream}",
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
            f"{_STATE}deliveries",
            f"no live delivery since {when.stamp(last)}, after {number} in the week before",
            since=last,
            command=incidents.command("check"),
        )
    ]


def _runs(tx: Tx, config: Config, limits: AlertsConfig) -> Iterator[Opening]:
    """Jobs that are scheduled and did not end well for some turns. `dispatch` has no runs in a daemon."""
    seen = watching.seen(tx)
    watched = [one for one in config.schedules if one.job not in ("alerts", "dispatch")]
    for schedule in watched:
        chances = [seen.since(schedule.job, name) for name in config.sources if _is_for(schedule, name)]
        start = min((one for one in chances if one is not None), default=None)
        if start is not None and start < _turn(schedule, config, tx, limits.silence.runs):
            yield _unwell(schedule, start)


def _unwell(schedule: ScheduleConfig, since: datetime) -> Opening:
    named = schedule.sources or ()
    of = f" for {', '.join(named)}" if named else ""
    return Opening(
        "",
        IncidentKind.SILENCE,
        f"{_STATE}runs:{rhythm.name_of(schedule)}",
        f"no run of {schedule.job}{of} ended well since {when.stamp(since)}",
        since=since,
        command=incidents.command("run", schedule.job, *(word for name in named for word in ("--source", name))),
    )


def _turn(schedule: ScheduleConfig, config: Config, tx: Tx, back: int) -> datetime:
    """The instant at which a schedule was due, so many turns ago."""
    zone, at = ZoneInfo(config.timezone), tx.now
    for _ in range(back):
        at = rhythm.latest(schedule, zone, at) - timedelta(microseconds=1)
    return at


def _is_for(schedule: ScheduleConfig, source: str) -> bool:
    return schedule.sources is None or source in schedule.sources
