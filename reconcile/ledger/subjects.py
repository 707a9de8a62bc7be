"""Subjects: the row that recording locks, and the newest version known of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import TextClause, select, text, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import Rowset
from reconcile.ledger.tables import subjects as table
from reconcile.model import Subject

_NAMES = Rowset("names", type="text", id="text")
_VERSIONS = Rowset("versions", type="text", id="text", version="int")
_BATCH = 1000  # rows fetched at a time


def lock(tx: Tx, source: str, subjects: Sequence[Subject]) -> None:
    """Hold these subjects until the commit, so that whoever else records them waits; in one fixed order.

    SQLite has one writer at a time: there whoever writes holds the lock.
    """
    bound = {"source": source, **_NAMES.bind(tx.dialect, [(subject.type, subject.id) for subject in subjects])}
    tx.connection.execute(_enter_sql(tx.dialect), bound)
    if tx.dialect != "sqlite":
        tx.connection.execute(_lock_sql(tx.dialect), bound)


def known(tx: Tx, source: str, subjects: Iterable[Subject]) -> frozenset[Subject]:
    """Those of `subjects` that some recorded event is about."""
    bound = {"source": source, **_NAMES.bind(tx.dialect, [(subject.type, subject.id) for subject in subjects])}
    return frozenset(Subject(type_, id_) for type_, id_ in tx.connection.execute(_known_sql(tx.dialect), bound))


def version(tx: Tx, source: str, subject: Subject) -> int | None:
    """The newest version known of one."""
    of_it = (table.c.source == source, table.c.type == subject.type, table.c.id == subject.id)
    return tx.connection.execute(select(table.c.version).where(*of_it)).scalar()


def raise_versions(tx: Tx, source: str, rows: Sequence[tuple[Subject, int]]) -> None:
    """Know these versions where they are newer than what is known; one statement. A newer one undoes a deletion."""
    if rows:
        named = [(subject.type, subject.id, version) for subject, version in rows]
        tx.connection.execute(_raise_sql(tx.dialect), {"source": source, **_VERSIONS.bind(tx.dialect, named)})


def in_window(tx: Tx, source: str, type_: str, lo: int, hi: int) -> Iterator[tuple[str, int]]:
    """(id, version) of the subjects not deleted whose newest known version is in [lo, hi); streamed, oldest first."""
    query = select(table.c.id, table.c.version).where(
        table.c.source == source,
        table.c.type == type_,
        table.c.version >= lo,
        table.c.version < hi,
        table.c.deleted_at.is_(None),
    )
    options = {"yield_per": _BATCH}
    with tx.connection.execute(query.order_by(table.c.version), execution_options=options) as rows:
        yield from ((row.id, row.version) for row in rows)


def mark_deleted(tx: Tx, source: str, subject: Subject, at: datetime) -> None:
    """Remember that the provider no longer has it."""
    of_subject = (table.c.source == source, table.c.type == subject.type, table.c.id == subject.id)
    tx.connection.execute(update(table).where(*of_subject).values(deleted_at=at))


@cache
def _known_sql(dialect: str) -> TextClause:
    return text(f"""
        select s.type, s.id from {_NAMES.sql(dialect)} cross join reconcile_subject s
        where s.source = :source and s.type = names.type and s.id = names.id
    """)


@cache
def _enter_sql(dialect: str) -> TextClause:
    return text(f"""
        insert into reconcile_subject (source, type, id)
        select :source, type, id from {_NAMES.sql(dialect)} where true order by type, id
        on conflict do nothing
        """)


@cache
def _lock_sql(dialect: str) -> TextClause:
    return text(f"""
        select 1 from {_NAMES.sql(dialect)} join reconcile_subject s
            on s.source = :source and s.type = names.type and s.id = names.id
        order by s.type, s.id for update of s
        """)


@cache
def _raise_sql(dialect: str) -> TextClause:
    return text(f"""
        insert into reconcile_subject (source, type, id, version)
        select :source, type, id, max(version) from {_VERSIONS.sql(dialect)}
        where true group by type, id order by type, id
        on conflict (source, type, id) do update set version = excluded.version, deleted_at = null
        where reconcile_subject.version is null or reconcile_subject.version < excluded.version
        """)
