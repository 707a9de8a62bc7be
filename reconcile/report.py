"""What a run found and did: the counts that docs/reference/report.md explains, as values. No I/O.

Every listed item is in exactly one class, so the six always add up to `listed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from reconcile.model import iso

#: The most gaps a report lists; their number is always exact.
GAPS_LISTED = 1000


@dataclass(slots=True)
class StreamReport:
    """One stream of one source in one run. `error` is why coverage was not reached."""

    source: str
    stream: str
    start: datetime
    end: datetime
    covered: bool = False
    provisional_from: datetime | None = None
    listed: int = 0
    gap: int = 0
    backfilled: int = 0
    pending: int = 0
    superseded: int = 0
    already_handled: int = 0
    filtered: int = 0
    events: int = 0
    unlisted_gaps: int = 0
    error: str | None = None

    def adds_up(self) -> bool:
        """Whether every listed item is in exactly one class (C2)."""
        classes = self.gap + self.backfilled + self.pending + self.superseded + self.already_handled + self.filtered
        return classes == self.listed


@dataclass(slots=True)
class HandlerReport:
    """What became of a source's events: this run's outcomes, and what is left when it ends."""

    source: str
    handled: int = 0
    pending: int = 0
    failed: int = 0
    dead: int = 0
    held: int = 0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class GapReport:
    """One open gap."""

    source: str
    kind: str
    subject: str
    topic: str
    reason: str
    since: datetime


@dataclass(slots=True)
class RunReport:
    """A whole run. `notes` are sentences for people: an empty first window, a closed valve and the ways on.

    `bug` and `repaired`, the sources whose subscriptions were mended, are for who runs it and not of the document.
    """

    run: str
    started_at: datetime
    since: datetime | None = None
    until: datetime | None = None
    dry_run: bool = False
    finished_at: datetime | None = None
    exit_code: int = 0
    streams: list[StreamReport] = field(default_factory=list)
    handlers: list[HandlerReport] = field(default_factory=list)
    subscriptions: list[dict[str, str]] = field(default_factory=list)
    transactions: dict[str, int] = field(
        default_factory=lambda: {"checked": 0, "resolved": 0, "pending": 0, "unresolved": 0}
    )
    gaps_total: int = 0
    gaps: list[GapReport] = field(default_factory=list)
    alerts: dict[str, int] = field(default_factory=lambda: {"sent": 0, "queued": 0})
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bug: BaseException | None = None
    repaired: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The document of `--json`; instants as text in UTC. A bug is told by `errors`, never by its own text."""
        shown = replace(self, bug=None)
        return {key: _plain(value) for key, value in asdict(shown).items() if key not in ("bug", "repaired")}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def exit_code(codes: Iterable[int]) -> int:
    """One code for several: a signal, a bug, configuration, ledger, coverage, busy, then something left."""
    found = set(codes)
    return next((code for code in (130, 143, 1, 2, 5, 4, 75, 3) if code in found), 0)
