"""How far back a stream can be read, and what nobody can tell any more of what is older."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconcile.connector import Facts, StreamFacts
from reconcile.model import Window, instant, iso, micros
from reconcile.reading.planes import is_listed, wanted_streams
from reconcile.reading.question import Ask
from reconcile.windows import clip, holes

#: A log forgets while it is read: we rely on it only as far as it surely remembers until we are through.
LEEWAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Beyond:
    """A stretch that a stream cannot speak for. `proven`: what can be read of it is read all the same."""

    window: Window
    reason: str
    proven: bool = False


def edge(ask: Ask, stream: StreamFacts) -> datetime | None:
    """The earliest instant a stream can be read from, None if it goes back for ever."""
    remembered = earliest(stream, ask.now)
    edges = [] if remembered is None else [remembered]
    if ask.limits and stream.name in ask.limits:
        edges.append(ask.limits[stream.name])
    return max(edges, default=None)


def earliest(stream: StreamFacts, now: datetime) -> datetime | None:
    """From when on a stream is relied on, by how long its provider remembers; None if that is for ever."""
    return None if stream.retention is None else now - stream.retention + min(LEEWAY, stream.retention / 2)


def beyond(stream: StreamFacts, lost: Window, proven: Sequence[Window]) -> list[Beyond]:
    """What is older than a list shows, as far as nothing has proven it in time. Never clamped silently (C11)."""
    reason = f"{stream.name} cannot be read before {iso(lost.end)}, and no other list shows it"
    return [Beyond(part, reason) for part in holes(lost, clip(proven, lost))]


def forgotten(facts: Facts, ask: Ask, log: StreamFacts, lost: Window, proven: Sequence[Window]) -> list[Beyond]:
    """What a log has forgotten of those topics that none of the lists that are read can show (C11)."""
    lists = {stream.name for stream in wanted_streams(facts, ask.topics, ask.streams)}
    floors = {name: ask.floor(name) for name in ask.topics if not is_listed(facts, name, lists)}
    unlisted = {name: floor for name, floor in floors.items() if floor is not None and floor < micros(lost.end)}
    if not unlisted:
        return []
    lost = Window(max(lost.start, instant(min(unlisted.values()))), lost.end)
    who = f"for {', '.join(unlisted)} no list goes back further"
    reason = f"{log.name} cannot be read before {iso(lost.end)}, and {who}"
    return [Beyond(part, reason) for part in holes(lost, clip(proven, lost))]
