"""What people ask: the questions of `events`, `explain`, `status` and `check`. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select

from reconcile.ledger import bodies
from reconcile.ledger.columns import flags
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import aliases, subjects
from reconcile.ledger.tables import events as table
from reconcile.ledger.tables_coverage import gaps
from reconcile.model import Subject

_FLAGS = flags(table)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: every field that is set must hold."""

    source: str = ""
    states: tuple[str, ...] = ()
    topic: str = ""
    subject: Subject | None = None


def list_events(tx: Tx, wanted: EventFilter, limit: int) -> list[Row[Any]]:
    """Event rows without their bodies, but with their `size` in bytes, newest recorded first."""
    query = bodies.sized_events().order_by(table.c.seq.desc()).limit(limit)
    return list(tx.connection.execute(_where(query, wanted)))


def count_events(tx: Tx, wanted: EventFilter) -> int:
    """How many there are."""
    return int(tx.connection.execute(_where(select(func.count()).select_from(table), wanted)).scalar_one())


def _where(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    if wanted.source:
        query = query.where(table.c.source == wanted.source)
    if wanted.states:
        query = query.where(table.c.state.in_(wanted.states))
    if wanted.topic:
        query = query.where(table.c.topic == wanted.topic)
    if wanted.subject:
        query = query.where(table.c.subject_type == wanted.subject.type, table.c.subject_id == wanted.subject.id)
    return query


def find_events(tx: Tx, which: str, sources: Iterable[str]) -> list[Row[Any]]:
    """The events `which` names, with `headers` and `body`: by the ledger's number, the provider's id, or another id."""
    number = int(which) if which.isascii() and which.isdigit() and len(which) < 19 else -1
    found: list[Row[Any]] = []
    for source in sources:
        known = select(aliases.c.seq).where(aliases.c.source == source, aliases.c.id == which)
        named = or_(table.c.id == which, table.c.seq == number, table.c.seq.in_(known))
        query = bodies.whole_events().where(table.c.source == source, named)
        found += tx.connection.execute(query.order_by(table.c.seq))
    return found


def list_aliases(tx: Tx, seqs: Sequence[int]) -> list[Row[Any]]:
    """The other ids these events are known by, oldest first."""
    query = select(aliases).where(aliases.c.seq.in_(seqs)).order_by(aliases.c.seen_at, aliases.c.id)
    return list(tx.connection.execute(query))


def list_gaps(tx: Tx, source: str, subject: Subject, seqs: Sequence[int]) -> list[Row[Any]]:
    """Every gap, closed ones too, about a subject or one of its events."""
    about = and_(gaps.c.subject_type == subject.type, gaps.c.subject_id == subject.id)
    query = select(gaps).where(gaps.c.source == source, or_(about, gaps.c.seq.in_(seqs)))
    return list(tx.connection.execute(query.order_by(gaps.c.opened_at, gaps.c.id)))


def find_subject(tx: Tx, source: str, subject: Subject) -> Row[Any] | None:
    """The row of one subject, None if no event of it was recorded."""
    wanted = (subjects.c.source == source, subjects.c.type == subject.type, subjects.c.id == subject.id)
    return tx.connection.execute(select(subjects).where(*wanted)).first()


def subject_types(tx: Tx, source: str) -> list[str]:
    """The subject types a source has events about."""
    query = select(subjects.c.type).where(subjects.c.source == source, subjects.c.type != "").distinct()
    return sorted(row.type for row in tx.connection.execute(query))


def as_dict(row: Row[Any]) -> dict[str, Any]:
    """A row of events or what belongs to them, by column name."""
    named = row._mapping.items()  # noqa: SLF001 - the public name SQLAlchemy gives it
    return {name: bool(value) if name in _FLAGS else value for name, value in named}


def has_events(tx: Tx, source: str) -> bool:
    """Whether any event of a source was recorded."""
    return tx.connection.execute(select(table.c.seq).where(table.c.source == source).limit(1)).first() is not None
