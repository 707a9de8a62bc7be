"""Transactions in the ledger: their rows, and who is asking about which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, or_, select, text, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import Rowset
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_transactions import PENDING
from reconcile.ledger.tables_transactions import transactions as table
from reconcile.model import Subject, TransactionStatus
from reconcile.transactions.transaction import State, Transaction

#: Longer than the slowest question takes with all its retries. The owner's end is seen at once on its own machine,
#: and what a slower one brings back after all is refused by its fence.
CLAIM_LIFE = timedelta(minutes=10)
_FREE = {"claim_owner": "", "claim_until": None}
_NAMES = Rowset("names", type="text", id="text")
_SAVED = ("state", "status", "raw", "amount", "currency", "changed_at", "ended_at", "since", "attempts", "asked_at",
          "answer", "note")  # fmt: skip
_SAVE = (
    update(table)
    .where(*(table.c[name] == bindparam(f"of_{name}") for name in ("source", "type", "id")))
    .values({name: bindparam(name) for name in _SAVED} | _FREE)
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which transactions: every field that is set must hold."""

    source: str = ""
    states: tuple[State, ...] = ()
    type: str = ""
    id: str = ""


@cache
def _known_sql(dialect: str, lock: bool, wait: bool, owned: bool) -> Any:  # noqa: FBT001 - one of several texts
    columns = ", ".join(f"t.{column.name}" for column in table.c)
    ours = f"and t.{PENDING} and t.claim_owner = :owner" if owned else ""
    ending = "order by t.type, t.id"
    if lock and dialect == "postgresql":
        ending += " for update of t" + ("" if wait else " skip locked")
    return text(f"""
        select {columns} from {_NAMES.sql(dialect)} cross join reconcile_transaction t
        where t.source = :source and t.type = names.type and t.id = names.id {ours} {ending}
        """).columns(*table.c)


def known(
    tx: Tx, source: str, subjects: Iterable[Subject], *, lock: bool = False, wait: bool = True, owner: str = ""
) -> dict[Subject, Transaction]:
    """Those of `subjects` that are known; with `lock` nobody else changes them before this transaction ends.

    With `owner` only those pending ones that it has claimed.
    """
    named = sorted({(subject.type, subject.id) for subject in subjects})
    if not named:
        return {}
    bound = {"source": source, **({"owner": owner} if owner else {}), **_NAMES.bind(tx.dialect, named)}
    query = _known_sql(tx.dialect, lock, wait, bool(owner))
    found = [_transaction(row) for row in tx.connection.execute(query, bound)]
    return {one.subject: one for one in found}


def add(tx: Tx, source: str, subject: Subject, since: datetime, values: Mapping[str, Any]) -> bool:
    """Begin to follow a transaction; False, with nothing changed, if it is followed already."""
    row = {"source": source, "type": subject.type, "id": subject.id, "known_at": tx.now, "since": since, **values}
    statement = insert(tx.dialect, table).values(row).on_conflict_do_nothing()
    return tx.connection.execute(statement.returning(table.c.id)).first() is not None


def change(tx: Tx, one: Transaction, **values: Any) -> None:
    """Set columns of one transaction."""
    tx.connection.execute(update(table).where(_of(one.source, one.subject)).values(**values))


def save(tx: Tx, some: Sequence[Transaction]) -> None:
    """Write these as they are now; whoever is asking about them asks in vain."""
    if some:
        tx.connection.execute(_SAVE, [_row(one) for one in some])


def find(tx: Tx, chosen: Chosen, limit: int) -> list[Transaction]:
    """Transactions, the longest known first."""
    query = _where(select(table), chosen).order_by(table.c.known_at, table.c.type, table.c.id).limit(limit)
    return [_transaction(row) for row in tx.connection.execute(query)]


def count(tx: Tx, chosen: Chosen) -> int:
    """How many there are."""
    return int(tx.connection.execute(_where(select(func.count()).select_from(table), chosen)).scalar_one())


def counts(tx: Tx, sources: Sequence[str], states: Sequence[State]) -> dict[State, int]:
    """How many of `sources` are in each of `states`."""
    query = select(table.c.state, func.count()).where(table.c.state.in_(states), table.c.source.in_(sources))
    return {State(state): number for state, number in tx.connection.execute(query.group_by(table.c.state))}


def due(tx: Tx, source: str, ladder: Sequence[timedelta], by: datetime, limit: int) -> list[Transaction]:
    """What is to be asked about by then and nobody is asking about, the longest due first."""
    query = select(table).where(_due(tx, source, ladder, by)).order_by(table.c.since).limit(limit)
    return [_transaction(row) for row in tx.connection.execute(query)]


def count_due(tx: Tx, source: str, ladder: Sequence[timedelta], by: datetime) -> int:
    """How many that are."""
    return int(tx.connection.execute(select(func.count()).where(_due(tx, source, ladder, by))).scalar_one())


def claim(tx: Tx, source: str, ladder: Sequence[timedelta], owner: str, by: datetime, limit: int) -> list[Transaction]:
    """Make up to `limit` of those ours to ask about; each has the fencing number of our claim."""
    query = select(table).where(_due(tx, source, ladder, by)).order_by(table.c.since).limit(limit)
    rows = list(tx.connection.execute(query.with_for_update(skip_locked=True)))
    mine = update(table).where(
        table.c.source == source, table.c.type == bindparam("of_type"), table.c.id == bindparam("of_id")
    )
    taken = {"claim_owner": owner, "claim_until": tx.now + CLAIM_LIFE, "claim_fence": table.c.claim_fence + 1}
    if rows:
        tx.connection.execute(mine.values(taken), [{"of_type": row.type, "of_id": row.id} for row in rows])
    return [_transaction(row, claims=1) for row in rows]


def claimed(
    tx: Tx, source: str, owner: str, some: Iterable[Transaction], *, wait: bool = True
) -> dict[Subject, Transaction]:
    """Read again, under lock, what we claimed: those whose claim is still ours and which are still on the ladder.

    Without `wait` those that somebody is changing right now are left out as well.
    """
    claims = {one.subject: one.claim for one in some}
    found = known(tx, source, claims, lock=True, wait=wait, owner=owner)
    return {subject: one for subject, one in found.items() if one.claim == claims[subject]}


def unclaim(tx: Tx, source: str, owners: Sequence[str]) -> int:
    """Give back, unasked, whatever these owners hold; how many."""
    held = (table.c.source == source, text(PENDING), table.c.claim_owner.in_(owners))
    return tx.connection.execute(update(table).where(*held).values(_FREE)).rowcount


def owners(tx: Tx, source: str) -> list[str]:
    """Who is asking about something of a source."""
    held = (table.c.source == source, text(PENDING), table.c.claim_owner != "")
    return [row[0] for row in tx.connection.execute(select(table.c.claim_owner).where(*held).distinct())]


def _due(tx: Tx, source: str, ladder: Sequence[timedelta], by: datetime) -> ColumnElement[bool]:
    """A ladder that was shortened leaves some beyond its end: those are asked a last time at once."""
    rungs = [and_(table.c.attempts == n, table.c.since <= by - rung) for n, rung in enumerate(ladder)]
    beyond = and_(table.c.attempts >= len(ladder), table.c.since <= by)
    unclaimed = or_(table.c.claim_until.is_(None), table.c.claim_until < tx.now)
    return and_(table.c.source == source, text(PENDING), or_(*rungs, beyond), unclaimed)


def _of(source: str, subject: Subject) -> ColumnElement[bool]:
    return and_(table.c.source == source, table.c.type == subject.type, table.c.id == subject.id)


def _where(query: Select[Any], chosen: Chosen) -> Select[Any]:
    for column in ("source", "type", "id"):
        if wanted := getattr(chosen, column):
            query = query.where(table.c[column] == wanted)
    return query.where(table.c.state.in_(chosen.states)) if chosen.states else query


def _row(one: Transaction) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in _SAVED}
    values["amount"] = "" if one.amount is None else str(one.amount)
    return values | {"of_source": one.source, "of_type": one.subject.type, "of_id": one.subject.id}


def _transaction(row: Row[Any], claims: int = 0) -> Transaction:
    return Transaction(
        source=row.source,
        subject=Subject(row.type, row.id),
        state=State(row.state),
        status=TransactionStatus(row.status),
        raw=row.raw,
        amount=Decimal(row.amount) if row.amount else None,
        currency=row.currency,
        tracked=bool(row.tracked),
        at=row.at,
        known_at=row.known_at,
        changed_at=row.changed_at,
        ended_at=row.ended_at,
        since=row.since,
        attempts=row.attempts,
        asked_at=row.asked_at,
        answer=row.answer,
        note=row.note,
        claim=row.claim_fence + claims,
    )
