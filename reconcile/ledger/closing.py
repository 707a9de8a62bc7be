"""Closing gaps that have been made good since: what was missing came after all, what was not listed is listed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, or_, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import events, gaps
from reconcile.model import GapKind

_MISSED = (GapKind.MISSING, GapKind.STALE, GapKind.NOT_REBUILDABLE)


def close_arrived(tx: Tx, source: str) -> int:
    """Close gaps of missed facts whose event was recorded since: by its fact, its id, or a newer state of its topic."""
    newer_state = (gaps.c.kind == GapKind.STALE) & (events.c.topic == gaps.c.topic)
    same_subject = (events.c.subject_type == gaps.c.subject_type) & (events.c.subject_id == gaps.c.subject_id)
    arrived = exists().where(
        events.c.source == gaps.c.source,
        or_(events.c.fact == gaps.c.key, events.c.id == gaps.c.key, newer_state & same_subject),
        events.c.recorded_at >= gaps.c.opened_at,
    )
    return _close(tx, source, "it arrived", gaps.c.kind.in_(_MISSED), arrived)


def close_listed(tx: Tx, source: str, stream: str, *, start: datetime, end: datetime, seen_before: datetime) -> int:
    """Close `listing_incomplete` gaps of a stretch that is covered now and that this run did not find again."""
    of_stream = (gaps.c.kind == GapKind.LISTING_INCOMPLETE) & (gaps.c.stream == stream)
    within = (gaps.c.start >= start) & (gaps.c.end <= end) & (gaps.c.seen_at < seen_before)
    return _close(tx, source, "a later listing was complete", of_stream, within)


def _close(tx: Tx, source: str, note: str, *conditions: object) -> int:
    open_ = update(gaps).where(gaps.c.source == source, gaps.c.state == "open", *conditions)  # type: ignore[arg-type]
    return tx.connection.execute(open_.values(state="closed", note=note, closed_at=tx.now)).rowcount
