"""What is remembered of a stream between runs, and what each run counted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Row, select

from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_coverage import streams as table
from reconcile.ledger.tables_runs import run_streams


@dataclass(frozen=True, slots=True)
class StreamState:
    """`density` is items per second of provider time, 0 for unknown; `trusted` ends the valve's ratio rule."""

    density: float = 0.0
    trusted: bool = False
    valve_closed: bool = False
    error: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run counted of one stream so far."""

    source: str
    stream: str
    listed: int = 0
    already_handled: int = 0
    superseded: int = 0
    filtered: int = 0
    beside: int = 0
    unfinished: int = 0
    events: int = 0
    unlisted_gaps: int = 0


_COUNTED = tuple(field.name for field in fields(Counts))[2:]


def get(tx: Tx, source: str, stream: str) -> StreamState:
    """What is remembered of a stream; the defaults if nothing is."""
    row = tx.connection.execute(select(table).where(table.c.source == source, table.c.stream == stream)).first()
    return _state(row) if row else StreamState()


def all_of(tx: Tx, source: str | None = None) -> dict[tuple[str, str], StreamState]:
    """Every (source, stream) something is remembered of."""
    query = select(table).order_by(table.c.source, table.c.stream)
    if source is not None:
        query = query.where(table.c.source == source)
    return {(row.source, row.stream): _state(row) for row in tx.connection.execute(query)}


def save(
    tx: Tx,
    source: str,
    stream: str,
    *,
    density: float | None = None,
    trusted: bool | None = None,
    valve_closed: bool | None = None,
    error: str | None = None,
    fingerprint: str | None = None,
) -> None:
    """Remember what is given; the rest stays as it is."""
    given: dict[str, Any] = {
        "density": density,
        "trusted": None if trusted is None else int(trusted),
        "valve_closed": None if valve_closed is None else int(valve_closed),
        "error": error,
        "fingerprint": fingerprint,
    }
    values = {name: value for name, value in given.items() if value is not None}
    # What is not given needs its default on a first insert: `density` has none in the schema.
    statement = insert(tx.dialect, table).values({"source": source, "stream": stream, "density": 0.0} | values)
    key = ["source", "stream"]
    if values:
        statement = statement.on_conflict_do_update(index_elements=key, set_=values)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    tx.connection.execute(statement)


def add_counts(
    tx: Tx,
    run_id: str,
    source: str,
    stream: str,
    *,
    listed: int = 0,
    already_handled: int = 0,
    superseded: int = 0,
    filtered: int = 0,
    beside: int = 0,
    unfinished: int = 0,
    events: int = 0,
    unlisted_gaps: int = 0,
) -> None:
    """Add to what a run counted of a stream; part of the page's own commit."""
    row = {
        "run_id": run_id,
        "source": source,
        "stream": stream,
        "listed": listed,
        "already_handled": already_handled,
        "superseded": superseded,
        "filtered": filtered,
        "beside": beside,
        "unfinished": unfinished,
        "events": events,
        "unlisted_gaps": unlisted_gaps,
    }
    statement = insert(tx.dialect, run_streams).values(row)
    sums = {name: run_streams.c[name] + statement.excluded[name] for name in _COUNTED}
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "source", "stream"], set_=sums))


def counts(tx: Tx, run_id: str) -> list[Counts]:
    """What a run counted, by source and stream."""
    columns = [run_streams.c[field.name] for field in fields(Counts)]
    query = select(*columns).where(run_streams.c.run_id == run_id)
    return [Counts(*row) for row in tx.connection.execute(query.order_by(run_streams.c.source, run_streams.c.stream))]


def asked_by_runs(tx: Tx, source: str, stream: str, run_ids: Sequence[str]) -> int:
    """How many items these runs listed of what they had asked of a stream, each once.

    What a provider gives beside, repeats and neighbours of a window, makes no loss look smaller, and neither does what
    the next run listed anew because one was killed.
    """
    once = run_streams.c.listed - run_streams.c.beside
    query = select(run_streams.c.run_id, once, run_streams.c.unfinished).where(
        run_streams.c.run_id.in_(run_ids), run_streams.c.source == source, run_streams.c.stream == stream
    )
    newest = max(run_ids, default="")
    rows = tx.connection.execute(query)
    return sum(int(listed) - (0 if run_id == newest else int(unfinished)) for run_id, listed, unfinished in rows)


def _state(row: Row[Any]) -> StreamState:
    return StreamState(row.density, bool(row.trusted), bool(row.valve_closed), row.error, row.fingerprint)
