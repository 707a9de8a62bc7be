"""Gaps: what was found wrong, each (source, kind, key) once; reopened when it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, func, or_, select, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_coverage import gaps as table
from reconcile.model import GapKind, Subject

OPEN, IGNORED, CLOSED = "open", "ignored", "closed"


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap. `seq` is its event, if there is one; `start` and `end` the stretch it speaks of, if any."""

    id: int
    source: str
    kind: GapKind
    key: str
    stream: str
    subject: Subject | None
    topic: str
    seq: int | None
    reason: str
    state: str
    note: str
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None
    start: datetime | None
    end: datetime | None
    run_id: str = ""


def open_(
    tx: Tx,
    source: str,
    kind: GapKind,
    key: str,
    *,
    reason: str,
    stream: str = "",
    subject: Subject | None = None,
    topic: str = "",
    seq: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    run_id: str = "",
    grows: bool = False,
) -> int:
    """Open a gap, or see it again: a closed one is reopened, an ignored one stays ignored. Its id.

    With `grows` an ignored one is reopened when it speaks of more time than the one that was ignored.
    """
    seen = {
        "reason": reason,
        "stream": stream,
        "subject_type": subject.type if subject else "",
        "subject_id": subject.id if subject else "",
        "topic": topic,
        "seen_at": tx.now,
        "run_id": run_id,
        "start": start,
        "end": end,
    }
    first = {"source": source, "kind": kind, "key": key, "state": OPEN, "opened_at": tx.now, "seq": seq}
    statement = insert(tx.dialect, table).values(first | seen)
    reopens = table.c.state == CLOSED
    if grows:
        more = or_(statement.excluded.start < table.c.start, statement.excluded.end > table.c.end)
        reopens = or_(reopens, and_(table.c.state == IGNORED, more))
    again = {
        "seq": func.coalesce(statement.excluded.seq, table.c.seq),
        "opened_at": case((reopens, statement.excluded.opened_at), else_=table.c.opened_at),
        "closed_at": case((reopens, None), else_=table.c.closed_at),
        "note": case((reopens, ""), else_=table.c.note),
        "state": case((reopens, OPEN), else_=table.c.state),
    }
    statement = statement.on_conflict_do_update(index_elements=["source", "kind", "key"], set_=seen | again)
    return int(tx.connection.execute(statement.returning(table.c.id)).scalar_one())


def close(tx: Tx, source: str, kind: GapKind, key: str, note: str) -> bool:
    """Close an open gap; False if there was none."""
    of_key = (table.c.source == source, table.c.kind == kind, table.c.key == key, table.c.state == OPEN)
    return bool(tx.connection.execute(update(table).where(*of_key).values(_closed(tx, note))).rowcount)


def close_for_events(tx: Tx, seqs: Sequence[int], note: str = "its event was handled") -> int:
    """Close every open gap of these events; how many."""
    of_events = (table.c.seq.in_(seqs), table.c.state == OPEN)
    return tx.connection.execute(update(table).where(*of_events).values(_closed(tx, note))).rowcount


def ignore(tx: Tx, ids: Sequence[int], reason: str) -> int:
    """Count these open gaps no longer, also when they are seen again; how many there were."""
    statement = update(table).where(table.c.id.in_(ids), table.c.state == OPEN)
    return tx.connection.execute(statement.values(state=IGNORED, note=reason, closed_at=tx.now)).rowcount


def get(tx: Tx, id_: int) -> Gap | None:
    """One gap, None if there is none of that id."""
    row = tx.connection.execute(select(table).where(table.c.id == id_)).first()
    return _gap(row) if row else None


def find(
    tx: Tx,
    *,
    source: str | None = None,
    kind: GapKind | None = None,
    state: str | None = OPEN,
    limit: int = 100,
) -> list[Gap]:
    """Gaps, oldest first; `state=None` for all."""
    query = _where(select(table), source=source, kind=kind, state=state)
    query = query.order_by(table.c.opened_at, table.c.id).limit(limit)
    return [_gap(row) for row in tx.connection.execute(query)]


def count(tx: Tx, *, source: str | None = None) -> dict[tuple[str, GapKind], int]:
    """How many are open, by (source, kind)."""
    query = _where(select(table.c.source, table.c.kind, func.count()), source=source, kind=None, state=OPEN)
    rows = tx.connection.execute(query.group_by(table.c.source, table.c.kind))
    return {(of_source, GapKind(kind)): number for of_source, kind, number in rows}


def _where(query: Select[Any], **wanted: str | None) -> Select[Any]:
    for column, value in wanted.items():
        if value is not None:
            query = query.where(table.c[column] == value)
    return query


def _closed(tx: Tx, note: str) -> dict[str, object]:
    return {"state": CLOSED, "note": note, "closed_at": tx.now}


def _gap(row: Row[Any]) -> Gap:
    subject = Subject(row.subject_type, row.subject_id) if row.subject_type or row.subject_id else None
    return Gap(
        row.id,
        row.source,
        GapKind(row.kind),
        row.key,
        row.stream,
        subject,
        row.topic,
        row.seq,
        row.reason,
        row.state,
        row.note,
        row.opened_at,
        row.seen_at,
        row.closed_at,
        row.start,
        row.end,
        row.run_id,
    )
