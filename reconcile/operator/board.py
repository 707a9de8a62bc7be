"""What the board of `reconcile status` holds, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconcile.model import Window


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

    @property
    def lag(self) -> timedelta | None:
        """How far the frontier is behind what could be read by now."""
        return None if self.frontier is None else max(timedelta(), self.due - self.frontier)


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
