"""The instant per source and topic from which completeness is promised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from reconcile.errors import Busy
from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_coverage import horizons as table

#: The reason of a horizon that stands where the keys of what happened before were purged.
PURGED = "purged"
#: The reason of one that was asked for.
SINCE = "since"
#: No topic is called so: under it stands from when on the source's keys are kept, whatever becomes of its horizons.
_KEYS = ""


def get(tx: Tx, source: str) -> dict[str, datetime]:
    """Every topic of the source that has a horizon."""
    query = select(table.c.topic, table.c.at).where(table.c.source == source, table.c.topic != _KEYS)
    return {topic: at for topic, at in tx.connection.execute(query)}  # noqa: C416 - dict() of rows is untyped


def first_sight(tx: Tx, source: str, topics: Iterable[str], at: datetime, reason: str) -> dict[str, datetime]:
    """Set the horizon of the topics that have none; all of the source's horizons, new and old.

    Unless somebody asked for it, it is put on the next whole second: most providers tell seconds only, so of what
    happened in one that has begun nobody could say whether it came before or after.
    """
    if reason != SINCE:
        at += -timedelta(microseconds=at.microsecond) % timedelta(seconds=1)
    if rows := _rows(source, topics, at, reason):
        tx.connection.execute(insert(tx.dialect, table).values(rows).on_conflict_do_nothing())
    return get(tx, source)


def set_(tx: Tx, source: str, topics: Iterable[str], at: datetime, reason: str) -> None:
    """Set the horizon of the topics, whatever it was: only a baseline may, which has recorded all since `at` anew."""
    kept_from = purged(tx, source)
    if kept_from is not None:
        _put(tx, _rows(source, [_KEYS], min(kept_from, at), PURGED))
    _put(tx, _rows(source, topics, at, reason))


def raise_to(tx: Tx, source: str, at: datetime) -> None:
    """Promise nothing from before `at` any more: what was known of it is purged."""
    statement = update(table).where(table.c.source == source, table.c.at < at)
    tx.connection.execute(statement.values(at=at, reason=PURGED))


def forgot(tx: Tx, source: str, before: datetime) -> None:
    """Remember, beside the horizons, that keys of what happened before `before` are gone."""
    _put(tx, _rows(source, [_KEYS], max(before, purged(tx, source) or before), PURGED))


def purged(tx: Tx, source: str) -> datetime | None:
    """The instant before which the source's keys were purged, None if they never were."""
    query = select(func.max(table.c.at)).where(table.c.source == source, table.c.reason == PURGED)
    found: datetime | None = tx.connection.execute(query).scalar()
    return found


def check_kept(tx: Tx, source: str, at: datetime, kept_from: datetime | None) -> None:
    """Raise `Busy` if keys of the time of `at` went since whoever asks found that they are kept from `kept_from` on:
    what is not known of that time may have been, and what was known is not any more.
    """
    now = purged(tx, source)
    if now is not None and now != kept_from and at < now:
        raise Busy(f"{source}: keys were purged while it was read, so nobody can say what is missed; run again")


def _put(tx: Tx, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        statement = insert(tx.dialect, table).values(rows)
        new = {"at": statement.excluded.at, "reason": statement.excluded.reason}
        tx.connection.execute(statement.on_conflict_do_update(index_elements=["source", "topic"], set_=new))


def _rows(source: str, topics: Iterable[str], at: datetime, reason: str) -> list[dict[str, object]]:
    return [{"source": source, "topic": topic, "at": at, "reason": reason} for topic in sorted(set(topics))]
