"""What happened to one subject: every delivery, rebuilt event, attempt, duplicate and gap, in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconcile import when
from reconcile.ledger import Ledger, attempts, views
from reconcile.ledger.views import EventFilter
from reconcile.model import EventState, Subject, instant

#: More events of one subject than this are cut off, the oldest first; it is said.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `what` is a word (recorded, attempt, alias, gap, …), `text` a sentence."""

    at: datetime
    what: str
    text: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One subject at one source. `version` is the newest known, as text if it is a time; `now` says what is next."""

    source: str
    subject: str
    version: str
    deleted_at: datetime | None
    entries: tuple[Entry, ...]
    now: tuple[str, ...]
    cut: int = 0


def tell(ledger: Ledger, source: str, subject: Subject) -> Story | None:
    """The story of a subject, None if the ledger holds nothing about it."""
    with ledger.read() as tx:
        row = views.find_subject(tx, source, subject)
        wanted = EventFilter(source=source, subject=subject)
        events = views.list_events(tx, wanted, MOST)[::-1]
        seqs = [event.seq for event in events]
        gaps = views.list_gaps(tx, source, subject, seqs)
        if row is None and not events and not gaps:
            return None
        entries = [
            *(entry for event in events for entry in _of_event(event)),
            *map(_of_attempt, attempts.listed(tx, seqs)),
            *map(_of_alias, views.list_aliases(tx, seqs)),
            *(entry for gap in gaps for entry in _of_gap(gap)),
        ]
        cut = max(0, views.count_events(tx, wanted) - len(events))
    return Story(
        source=source,
        subject=str(subject),
        version=shown_version(row.version if row else None),
        deleted_at=row.deleted_at if row else None,
        entries=tuple(sorted(entries, key=lambda entry: entry.at)),
        now=tuple(_next(events)),
        cut=cut,
    )


def shown_version(version: int | None) -> str:
    """A version as its time, as the plain number where it is a sequence, `-` for none."""
    if version is None:
        return "-"
    # Versions that are times are microseconds since 1970: sequences stay far below 2001's.
    return when.exact(instant(version)) if 10**15 <= version < 10**16 else str(version)


def _of_event(event: Any) -> Iterator[Entry]:
    if event.occurred_at is not None:
        yield Entry(event.occurred_at, "occurred", f"{event.topic}, by the provider's clock", event.seq)
    built = ", rebuilt from a listed resource" if event.reconstructed else ""
    origin = {"live": "delivered live", "backfill": "found missing and recorded"}.get(event.origin, event.origin)
    text = f"{event.topic} {origin}{built}; id {event.id}, version {shown_version(event.version)}"
    yield Entry(event.recorded_at, "recorded", text, event.seq)
    if event.handled_at is not None:
        late = ", late" if event.late else ""
        yield Entry(
            event.handled_at,
            event.state,
            f"{event.topic}{late}, after {when.times(event.attempts, 'attempt')}",
            event.seq,
        )


def _of_attempt(attempt: Any) -> Entry:
    took = (attempt.finished_at - attempt.started_at).total_seconds()
    error = f": {attempt.error}" if attempt.error else ""
    return Entry(
        attempt.started_at, "attempt", f"{attempt.number}: {attempt.outcome} in {took:.1f} s{error}", attempt.seq
    )


def _of_alias(alias: Any) -> Entry:
    return Entry(alias.seen_at, "alias", f"came again as {alias.id}: the same event, not run twice", alias.seq)


def _of_gap(gap: Any) -> Iterator[Entry]:
    yield Entry(gap.opened_at, "gap", f"{gap.kind}: {gap.reason}", gap.seq)
    if gap.closed_at is not None:
        yield Entry(gap.closed_at, f"gap {gap.state}", f"{gap.kind}: {gap.note}", gap.seq)


def _next(events: Sequence[Any]) -> Iterator[str]:
    """Where each event that is not done stands, and how often it was delivered again."""
    for event in events:
        again = f"; delivered {when.times(event.duplicates, 'more time')}" if event.duplicates else ""
        if event.state not in (EventState.HANDLED, EventState.SUPERSEDED) or again:
            yield f"#{event.seq} {event.topic}: {_standing(event)}{again}"


def _standing(event: Any) -> str:
    match event.state:
        case EventState.WAITING:
            return (
                f"waiting for attempt {event.attempts + 1} at {when.stamp(event.next_at)}"
                if event.next_at
                else "waiting"
            )
        case EventState.HELD:
            return "held behind the valve: `reconcile baseline` or `reconcile run --force`"
        case EventState.CLAIMED:
            return f"with {event.claim_owner} until {when.stamp(event.claim_until)}"
        case EventState.DEAD:
            return f"dead: {event.error}; `reconcile events replay {event.seq}`"
        case EventState.IGNORED:
            return "ignored: its topic is not subscribed, or its source has no handler"
    return str(event.state)
