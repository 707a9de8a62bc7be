"""What events carry, headers and bytes: in a table of their own, so that a claim or a mark rewrites a short row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import LargeBinary, Select, func, insert, literal, select

from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert as insert_or
from reconcile.ledger.tables import bodies as table
from reconcile.ledger.tables import events

#: Of an event that carries nothing, or whose contents are kept no longer.
NOTHING = {"headers": b"{}", "body": b""}

_JOINED = events.outerjoin(table, table.c.seq == events.c.seq)
_CONTENTS = [func.coalesce(table.c[name], literal(value, LargeBinary)).label(name) for name, value in NOTHING.items()]
_SIZE = func.coalesce(func.length(table.c.body), 0).label("size")


def whole_events() -> Select[Any]:
    """Event rows with their `headers` and `body`."""
    return select(*events.c, *_CONTENTS).select_from(_JOINED)


def sized_events() -> Select[Any]:
    """Event rows with the `size` of their body in bytes."""
    return select(*events.c, _SIZE).select_from(_JOINED)


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what goes into an event's own row, what goes into this table)."""
    own = {name: value for name, value in values.items() if name not in NOTHING}
    return own, {name: values[name] for name in NOTHING if name in values}


def add(tx: Tx, contents: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Keep the contents of new events, by `seq`; nothing of those that carry nothing."""
    rows = [{"seq": seq} | NOTHING | dict(values) for seq, values in contents]
    rows = [row for row in rows if row["body"] or row["headers"] != NOTHING["headers"]]
    if rows:
        tx.connection.execute(insert(table), rows)


def replace(tx: Tx, seq: int, values: Mapping[str, Any]) -> None:
    """Let an event carry something else."""
    statement = insert_or(tx.dialect, table).values({"seq": seq} | NOTHING | dict(values))
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["seq"], set_=dict(values)))
