"""Whether a ledger is whole: its schema's revision, the database's own check, and whether its rows agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, func, or_, select, text

from reconcile.ledger.engine import connect
from reconcile.ledger.errors import translated
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import aliases, attempts, bodies, events
from reconcile.ledger.tables_coverage import coverage
from reconcile.ledger.upgrade import REVISIONS, revision
from reconcile.model import EventState

#: Lines of SQLite's own findings that are shown: a damaged file has thousands.
SHOWN = 20


def schema(url: str) -> tuple[str, str]:
    """The revision of the ledger at `url`, "" if it has no tables, and the one this code needs. Changes neither."""
    engines = connect(url)
    try:
        with translated(), engines.reader.connect() as connection:
            return revision(connection), REVISIONS[-1]
    finally:
        engines.dispose()


def problems(tx: Tx) -> list[str]:
    """What is wrong, one sentence each; nothing if the ledger is whole."""
    return [*_of_file(tx), *_of_rows(tx)]


def _of_file(tx: Tx) -> Iterator[str]:
    """PostgreSQL checks its pages as it reads them; SQLite must be asked."""
    if tx.dialect == "sqlite":
        rows = tx.connection.execute(text(f"PRAGMA integrity_check({SHOWN})"))
        yield from (f"the file is damaged: {row[0]}; restore it from a backup" for row in rows if row[0] != "ok")


def _of_rows(tx: Tx) -> Iterator[str]:
    for what, query in _QUERIES.items():
        if number := tx.connection.execute(query).scalar_one():
            yield f"{number} {what}"


def _counting(query: Select[Any]) -> Select[Any]:
    return select(func.count()).select_from(query.subquery())


_QUERIES = {
    "aliases of events that are not there": _counting(
        select(aliases.c.seq).where(~select(events.c.seq).where(events.c.seq == aliases.c.seq).exists())
    ),
    "attempts of events that are not there": _counting(
        select(attempts.c.seq).where(~select(events.c.seq).where(events.c.seq == attempts.c.seq).exists())
    ),
    "bodies of events that are not there": _counting(
        select(bodies.c.seq).where(~select(events.c.seq).where(events.c.seq == bodies.c.seq).exists())
    ),
    "covered windows that end before they start": _counting(
        select(coverage.c.id).where(coverage.c.end <= coverage.c.start)
    ),
    "events in a state this program does not know": _counting(
        select(events.c.seq).where(events.c.state.not_in([state.value for state in EventState]))
    ),
    "claimed events that nobody holds": _counting(
        select(events.c.seq).where(
            events.c.state == EventState.CLAIMED, or_(events.c.claim_owner == "", events.c.claim_until.is_(None))
        )
    ),
}
