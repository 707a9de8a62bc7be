"""Events in the ledger: how rows come and change, what is open, and what the valve holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text, update

from reconcile.ledger import attempts, bodies
from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import chunks
from reconcile.ledger.sql import insert
from reconcile.ledger.tables import OPEN_EVENTS, aliases
from reconcile.ledger.tables import events as table
from reconcile.model import EventState

#: Enough for every insert to stay under both engines' limits on bound parameters.
_CHUNK = 500


def add(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Insert events of one source, `headers` and `body` among their columns; `{id: seq}` of those that were new (an
    id the source has already is left alone).
    """
    statement = insert(tx.dialect, table).on_conflict_do_nothing(index_elements=["source", "id"])
    added: dict[str, int] = {}
    for some in chunks([bodies.split(row) for row in rows], _CHUNK):
        result = tx.connection.execute(statement.returning(table.c.id, table.c.seq), [own for own, _ in some])
        new = {row.id: row.seq for row in result}
        bodies.add(tx, [(new[own["id"]], contents) for own, contents in some if own["id"] in new])
        added |= new
    return added


def alias(tx: Tx, source: str, id_: str, seq: int) -> None:
    """Know event `seq` by `id_` as well; an alias that exists stays as it is."""
    row = {"source": source, "id": id_, "seq": seq, "seen_at": tx.now}
    tx.connection.execute(insert(tx.dialect, aliases).values(row).on_conflict_do_nothing())


def change(tx: Tx, seq: int, **values: Any) -> None:
    """Set columns of one event, or its `headers` and `body`."""
    own, contents = bodies.split(values)
    if own:
        tx.connection.execute(update(table).where(table.c.seq == seq).values(**own))
    if contents:
        bodies.replace(tx, seq, contents)


def count_duplicate(tx: Tx, seq: int) -> None:
    """Count one more delivery of an event that came again."""
    change(tx, seq, duplicates=table.c.duplicates + 1)


def lock(tx: Tx, seq: int) -> None:
    """Let nobody else change or purge an event before this commit is made; what is read of it from here on stays."""
    tx.connection.execute(select(table.c.seq).where(table.c.seq == seq).with_for_update())


def get(tx: Tx, seq: int) -> Any | None:
    """One event row with its `headers` and `body`, None if there is none."""
    return tx.connection.execute(bodies.whole_events().where(table.c.seq == seq)).first()


def open_counts(tx: Tx, source: str) -> dict[EventState, int]:
    """How many events of a source are held, waiting, claimed or dead; reads the small partial index only."""
    query = (
        select(table.c.state, func.count()).where(table.c.source == source, text(OPEN_EVENTS)).group_by(table.c.state)
    )
    return {EventState(state): number for state, number in tx.connection.execute(query)}


@dataclass(frozen=True, slots=True)
class Behind:
    """What a stream holds behind the valve: how many events, about how many subjects, recorded by which runs."""

    events: int
    subjects: int
    run_ids: tuple[str, ...]


def held_of(tx: Tx, source: str, stream: str) -> Behind:
    """What `stream` holds behind the valve, whichever run recorded it."""
    held = (
        table.c.source == source,
        text(OPEN_EVENTS),
        table.c.state == EventState.HELD,
        table.c.stream == stream,
    )
    by_subject = select(func.count().label("events")).where(*held).group_by(table.c.subject_type, table.c.subject_id)
    counted = by_subject.subquery()
    total = select(func.coalesce(func.sum(counted.c.events), 0), func.count()).select_from(counted)
    number, subjects = tx.connection.execute(total).one()
    run_ids = tx.connection.execute(select(table.c.run_id).where(*held).distinct())
    return Behind(int(number), int(subjects), tuple(row[0] for row in run_ids))


def held_streams(tx: Tx, source: str) -> list[str]:
    """The streams of a source that hold events behind the valve."""
    of_source = select(table.c.stream).where(table.c.source == source, text(OPEN_EVENTS))
    return [row[0] for row in tx.connection.execute(of_source.where(table.c.state == EventState.HELD).distinct())]


def release(tx: Tx, source: str, stream: str | None = None, *, to: EventState = EventState.WAITING) -> int:
    """Let held events go: to their handler, or (`to=HANDLED`, a baseline) past it. Says how many."""
    values: dict[str, Any] = {"state": to, "next_at": tx.now}
    if to is EventState.HANDLED:
        values |= {"handled_at": tx.now}
    query = update(table).where(table.c.source == source, text(OPEN_EVENTS))
    query = query.where(table.c.state == EventState.HELD)
    if stream is not None:
        query = query.where(table.c.stream == stream)
    return tx.connection.execute(query.values(**values)).rowcount


def replay(tx: Tx, seq: int) -> bool:
    """Send one finished or dead event to its target again, from the first attempt; False if it is under way.

    The call that handled it is noted on its own now: the event's row will tell of the next one.
    """
    ready = select(table).where(table.c.seq == seq, table.c.state != EventState.CLAIMED)
    row = tx.connection.execute(ready.with_for_update()).first()
    if row is None:
        return False
    if row.called_at is not None:
        attempts.set_aside(tx, seq)
    again = {"state": EventState.WAITING, "attempts": 0, "next_at": tx.now, "error": ""}
    change(tx, seq, **again, handled_at=None, called_at=None, call_took=None)
    return True
