"""Closing gaps that have been made good since: what was missing came after all, what was not listed is listed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import events
from reconcile.ledger.tables_coverage import gaps
from reconcile.model import GapKind, Occurrence

_MISSED = (GapKind.MISSING, GapKind.STALE, GapKind.NOT_REBUILDABLE)


def close_arrived(tx: Tx, source: str) -> int:
    """Close gaps of missed facts whose event was recorded since: by its fact, its id, or a newer state of its topic."""
    arrived = exists().where(
        events.c.source == gaps.c.source,
        or_(events.c.id == gaps.c.key, _its_fact(), _newer_state()),
        events.c.recorded_at >= gaps.c.opened_at,
    )
    return _close(tx, source, "it arrived", gaps.c.kind.in_(_MISSED), arrived)


def _its_fact() -> ColumnElement[bool]:
    """One that happens again and again is another one if it happened after the gap was found."""
    in_time = or_(events.c.occurred_at.is_(None), events.c.occurred_at <= gaps.c.opened_at)
    return and_(events.c.fact == gaps.c.key, or_(events.c.kind != Occurrence.REPEATED, in_time))


def _newer_state() -> ColumnElement[bool]:
    """The key of a state ends in its version, written so that text sorts as time does."""
    same_subject = and_(events.c.subject_type == gaps.c.subject_type, events.c.subject_id == gaps.c.subject_id)
    prefix = gaps.c.topic + ":" + gaps.c.subject_id + ":"
    comparable = func.substr(gaps.c.key, 1, func.length(prefix)) == prefix
    same_topic = and_(events.c.topic == gaps.c.topic, events.c.kind == Occurrence.STATE)
    return and_(same_topic, same_subject, comparable, events.c.fact > gaps.c.key)


def close_listed(tx: Tx, source: str, stream: str, *, start: datetime, end: datetime, seen_before: datetime) -> int:
    """Close `listing_incomplete` gaps of a stretch that is covered now and that this run did not find again."""
    of_stream = (gaps.c.kind == GapKind.LISTING_INCOMPLETE) & (gaps.c.stream == stream)
    within = (gaps.c.start >= start) & (gaps.c.end <= end) & (gaps.c.seen_at < seen_before)
    return _close(tx, source, "a later listing was complete", of_stream, within)


def _close(tx: Tx, source: str, note: str, *conditions: ColumnElement[bool]) -> int:
    open_ = update(gaps).where(gaps.c.source == source, gaps.c.state == "open", *conditions)
    return tx.connection.execute(open_.values(state="closed", note=note, closed_at=tx.now)).rowcount
