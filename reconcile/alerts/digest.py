"""Many incidents as few groups by cause, counted exactly. Pure.

A cause is a kind of incident, at a source, for a reason; reasons that differ only in ids, numbers and the like are one.
Ten thousand incidents of one cause are one group of ten thousand, a few of which are shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reconcile.alerts.due import CLEARED, ESCALATED, OPENED, REPEATED
from reconcile.alerts.kinds import KINDS
from reconcile.ledger.incidents import Incident
from reconcile.ledger.mails import Notice
from reconcile.model import IncidentKind

#: Groups a mail shows in each of its parts; the rest is counted.
MOST_GROUPS = 20
#: What makes two texts of one cause differ: words with a digit, and what stands in quotes.
_PARTICULAR = re.compile(r"\"[^\"]*\"|'[^']*'|\S*\d\S*")
_PARTS = ((OPENED, "New"), (ESCALATED, "Not taken on yet"), (REPEATED, "Still open"), (CLEARED, "Cleared"))

News = Sequence[tuple[Incident, Notice]]


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents of one cause. `shown` are the oldest of `count`; `command` resolves them, or shows them all."""

    kind: IncidentKind
    source: str
    title: str
    count: int
    since: datetime
    tried: str
    command: str
    shown: tuple[Incident, ...]

    @property
    def more(self) -> int:
        """How many are counted only."""
        return self.count - len(self.shown)


@dataclass(frozen=True, slots=True)
class Part:
    """The groups of one state, the largest first; `left_out` groups with `left_count` incidents are counted only."""

    state: str
    title: str
    count: int
    groups: tuple[Group, ...]
    left_out: int = 0
    left_count: int = 0


def parts(news: News, most: int) -> tuple[Part, ...]:
    """The news by state and cause; of each cause at most `most` incidents are shown."""
    found = []
    for state, title in _PARTS:
        of_state = [incident for incident, notice in news if notice.state == state]
        groups = _groups(of_state, most, cleared=state == CLEARED)
        shown = groups[:MOST_GROUPS]
        left = groups[MOST_GROUPS:]
        if of_state:
            found.append(Part(state, title, len(of_state), shown, len(left), sum(group.count for group in left)))
    return tuple(found)


def cause(summary: str) -> str:
    """What is common to the summaries of one cause."""
    return re.sub(r"(… ?)+", "… ", _PARTICULAR.sub("…", summary)).strip()


def _groups(incidents: Sequence[Incident], most: int, *, cleared: bool) -> tuple[Group, ...]:
    by_cause: dict[tuple[IncidentKind, str, str], list[Incident]] = {}
    for incident in incidents:
        by_cause.setdefault((incident.kind, incident.source, cause(incident.summary)), []).append(incident)
    made = [_group(of_cause, most, cleared=cleared) for of_cause in by_cause.values()]
    return tuple(sorted(made, key=lambda group: (-group.count, group.since)))


def _group(incidents: Sequence[Incident], most: int, *, cleared: bool) -> Group:
    first = incidents[0]
    kind = KINDS[first.kind]
    return Group(
        kind=first.kind,
        source=first.source,
        title=kind.title,
        count=len(incidents),
        since=min(incident.since for incident in incidents),
        tried="" if cleared else _one({incident.tried for incident in incidents}) or kind.tried,
        command="" if cleared else _one({incident.command for incident in incidents}) or _of_kind(first),
        shown=tuple(sorted(incidents, key=lambda incident: (incident.since, incident.id))[:most]),
    )


def _of_kind(incident: Incident) -> str:
    # A source's name is lower-case letters, digits and hyphens: it needs no quotes in a shell.
    return KINDS[incident.kind].command.format(source=incident.source)


def _one(texts: set[str]) -> str:
    """The text they all have, "" if they differ."""
    return next(iter(texts)) if len(texts) == 1 else ""
