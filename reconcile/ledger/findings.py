"""Findings: the listed items of a run that were not simply handled, until the run has ended and counted them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, insert, select, text

from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import events
from reconcile.ledger.tables_runs import findings as table
from reconcile.model import EventState

_NAMES = ("gap", "backfilled", "pending", "superseded", "already_handled")


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a listed item was not simply handled; `item` is the run's own number for it."""

    run_id: str
    source: str
    stream: str
    item: str
    seq: int | None = None
    gap_id: int | None = None
    recorded: bool = False


@dataclass(slots=True)
class Classes:
    """How many items of a stream are in each class of the report (docs/reference/report.md); an item is in one only."""

    gap: int = 0
    backfilled: int = 0
    pending: int = 0
    superseded: int = 0
    already_handled: int = 0


def add(tx: Tx, rows: Sequence[Finding]) -> None:
    """Remember findings, in the commit of their page."""
    if rows:
        tx.connection.execute(insert(table), [asdict(row) | {"recorded": int(row.recorded)} for row in rows])


#: An item is in the first class any of its findings is in; an open gap is the finding's own or its event's.
_CLASSES = text("""
    select source, stream, class, count(*) from (
        select f.source as source, f.stream as stream, min(case
            when own.state = 'open' then 0
            when exists (select 1 from reconcile_gap g where g.seq = f.seq and g.state = 'open') then 0
            when f.recorded = 1 then 1
            when e.state in ('held', 'waiting', 'claimed') then 2
            when e.state = 'superseded' then 3
            else 4 end) as class
        from reconcile_finding f
        left join reconcile_gap own on own.id = f.gap_id
        left join reconcile_event e on e.seq = f.seq
        where f.run_id = :run_id
        group by f.source, f.stream, f.item
    ) classed group by source, stream, class
    """)


def classes(tx: Tx, run_id: str) -> dict[tuple[str, str], Classes]:
    """The class of every distinct item found, as the ledger stands now, counted by (source, stream)."""
    found: dict[tuple[str, str], Classes] = {}
    for source, stream, place, number in tx.connection.execute(_CLASSES, {"run_id": run_id}):
        setattr(found.setdefault((source, stream), Classes()), _NAMES[place], number)
    return found


def clear(tx: Tx, run_id: str) -> None:
    """Forget the findings of a run that has been counted."""
    tx.connection.execute(delete(table).where(table.c.run_id == run_id))


def held_again(tx: Tx, source: str, stream: str, run_ids: Sequence[str]) -> int:
    """How many items these runs listed of a stream although another listing had left an event of them held."""
    held = select(events.c.seq).where(events.c.seq == table.c.seq, events.c.state == EventState.HELD)
    again = select(table.c.run_id, table.c.item).where(
        table.c.run_id.in_(run_ids),
        table.c.source == source,
        table.c.stream == stream,
        table.c.recorded == 0,
        held.exists(),
    )
    return int(tx.connection.execute(select(func.count()).select_from(again.distinct().subquery())).scalar_one())
