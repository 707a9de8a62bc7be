"""Incidents: what people are told of. Written in the commit of the state change they speak of (A1).

An open incident is its own outbox entry: who must be told of it, and was not yet, is worked out of this table and
the notices alone, so nothing that was committed here can be forgotten. Each (source, kind, key) is open at most
once; when it comes back after it was closed, that is a new episode, which people are told of anew (A4).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select, text, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import chunks
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_alerts import OPEN_INCIDENTS, UNSETTLED_INCIDENTS
from reconcile.ledger.tables_alerts import incidents as table
from reconcile.model import IncidentKind
from reconcile.safe import safe

OPEN, CLOSED = "open", "closed"
_LONGEST = 500
_REFRESHED = ("summary", "tried", "command", "amount", "currency", "third_party", "seen_at")
_OPENING = ["source", "kind", "key"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One episode. `happened`: it was over as soon as it was, and is told once."""

    id: int
    source: str
    kind: IncidentKind
    key: str
    state: str
    happened: bool
    summary: str
    tried: str
    note: str
    command: str
    reference: str
    amount: str
    currency: str
    third_party: bool
    since: datetime
    opened_at: datetime
    closed_at: datetime | None
    acked_at: datetime | None
    snoozed_until: datetime | None

    def standing(self, now: datetime) -> str:
        """In one word, for people: open, acknowledged, snoozed or closed."""
        if self.state == CLOSED:
            return CLOSED
        return "acknowledged" if self.acked_at else "snoozed" if self.silent(now) else OPEN

    def silent(self, now: datetime) -> bool:
        """Whether a person has said that nothing more need be told of it, or not yet."""
        return self.acked_at is not None or (self.snoozed_until is not None and now < self.snoozed_until)


@dataclass(frozen=True, slots=True)
class Opening:
    """What an incident says when it opens; see `open_`."""

    source: str
    kind: IncidentKind
    key: str
    summary: str
    since: datetime | None = None
    command: str = ""
    reference: str = ""
    amount: str = ""
    currency: str = ""
    third_party: bool = False
    tried: str = ""


def command(*words: str) -> str:
    """`reconcile …` as a line to paste into a shell: words that came from a provider are quoted."""
    return shlex.join(("reconcile", *words))


def open_(
    tx: Tx,
    *,
    source: str,
    kind: IncidentKind,
    key: str,
    summary: str,
    since: datetime | None = None,
    command: str = "",
    reference: str = "",
    amount: str = "",
    currency: str = "",
    third_party: bool = False,
    tried: str = "",
) -> int:
    """Open an incident, or refresh what the open one says; its id.

    `summary` is one plain sentence, `since` when it began (default: now), `command` the line that resolves it: make
    it with `incidents.command`, which quotes. `third_party` also tells the source's third parties, who are shown
    `reference`, `amount`, `currency` and the time. `tried` says what was tried, where its kind does not say it all.
    """
    opening = Opening(source, kind, key, summary, since, command, reference, amount, currency, third_party, tried)
    return int(tx.connection.execute(_upsert(tx).returning(table.c.id), _values(tx, opening)).scalar_one())


def open_all(tx: Tx, openings: Sequence[Opening]) -> None:
    """Open many, as `open_` does each."""
    if openings:
        tx.connection.execute(_upsert(tx), [_values(tx, opening) for opening in openings])


def happened(
    tx: Tx, *, source: str, kind: IncidentKind, key: str, summary: str, command: str = "", tried: str = ""
) -> int:
    """Tell of something that is over already, such as a subscription that was repaired: once, with no recovery."""
    opening = Opening(source, kind, key, summary, command=command, tried=tried)
    values = _values(tx, opening) | {"state": CLOSED, "happened": 1, "closed_at": tx.now}
    return int(tx.connection.execute(insert(tx.dialect, table).values(values).returning(table.c.id)).scalar_one())


def close(tx: Tx, *, source: str, kind: IncidentKind, key: str, note: str) -> bool:
    """The open one is over; False if there was none. A mail says so, if its opening was told."""
    return bool(_close(tx, note, and_(table.c.source == source, table.c.kind == kind, table.c.key == safe(key))))


def close_ids(tx: Tx, ids: Collection[int], note: str) -> int:
    """These are over; how many of them were open."""
    return sum(_close(tx, note, table.c.id.in_(some)) for some in _batches(ids))


def close_kind(tx: Tx, *, source: str, kind: IncidentKind, note: str) -> int:
    """All of a source's open ones of this kind are over; how many there were."""
    return _close(tx, note, and_(table.c.source == source, table.c.kind == kind))


def _close(tx: Tx, note: str, which: ColumnElement[bool]) -> int:
    # Whether anyone was told of it, and so has to hear of its end, is for whoever tells: it may be about to.
    values = {"state": CLOSED, "note": safe(note, _LONGEST), "closed_at": tx.now}
    return tx.connection.execute(update(table).where(which, text(OPEN_INCIDENTS)).values(values)).rowcount


def _upsert(tx: Tx) -> Any:
    statement = insert(tx.dialect, table)
    seen = {name: statement.excluded[name] for name in _REFRESHED}
    return statement.on_conflict_do_update(index_elements=_OPENING, index_where=text(OPEN_INCIDENTS), set_=seen)


def _values(tx: Tx, opening: Opening) -> dict[str, Any]:
    # What a provider wrote may hold what PostgreSQL's TEXT refuses (NUL, lone surrogates): made visible here.
    return {
        "source": opening.source,
        "kind": opening.kind,
        "key": safe(opening.key),
        "state": OPEN,
        "summary": safe(opening.summary, _LONGEST),
        "tried": safe(opening.tried, _LONGEST),
        "command": safe(opening.command, _LONGEST),
        "reference": safe(opening.reference),
        "amount": safe(opening.amount, 60),
        "currency": safe(opening.currency, 60),
        "third_party": int(opening.third_party),
        "since": opening.since or tx.now,
        "opened_at": tx.now,
        "seen_at": tx.now,
    }


def unsettled(tx: Tx) -> list[Incident]:
    """Every incident of which something may be left to tell, oldest first: the open ones, and those just over."""
    query = select(table).where(text(UNSETTLED_INCIDENTS)).order_by(table.c.id)
    return [_incident(row) for row in tx.connection.execute(query)]


def open_keys(tx: Tx, kind: IncidentKind | None = None) -> dict[tuple[str, str], int]:
    """The number of each open incident by (source, key); who opens incidents gives them keys of their own."""
    query = select(table.c.source, table.c.key, table.c.id).where(text(OPEN_INCIDENTS))
    if kind is not None:
        query = query.where(table.c.kind == kind)
    return {(source, key): id_ for source, key, id_ in tx.connection.execute(query)}


def settle(tx: Tx, ids: Collection[int]) -> None:
    """Nothing about these closed ones is left to tell."""
    for some in _batches(ids):
        tx.connection.execute(update(table).where(table.c.id.in_(some)).values(settled=1))


def find(
    tx: Tx,
    *,
    source: str | None = None,
    kind: IncidentKind | None = None,
    open_only: bool = True,
    limit: int | None = None,
) -> list[Incident]:
    """Incidents, oldest first; with a `limit`, the newest ones."""
    query = select(table).order_by(table.c.id.desc()).limit(limit).where(*_chosen(source, kind, open_only=open_only))
    return [_incident(row) for row in tx.connection.execute(query)][::-1]


def count(tx: Tx, *, source: str | None = None, kind: IncidentKind | None = None, open_only: bool = True) -> int:
    """How many there are."""
    query = select(func.count()).select_from(table).where(*_chosen(source, kind, open_only=open_only))
    return int(tx.connection.execute(query).scalar_one())


def get(tx: Tx, id_: int) -> Incident | None:
    """One incident, None if there is none of that number."""
    row = tx.connection.execute(select(table).where(table.c.id == id_)).first()
    return _incident(row) if row else None


def acknowledge(tx: Tx, ids: Collection[int]) -> int:
    """Someone takes care of these: told no more until they are over; how many of them are open."""
    return _silence(tx, ids, {"acked_at": tx.now, "snoozed_until": None})


def snooze(tx: Tx, ids: Collection[int], until: datetime) -> int:
    """Told no more before `until`; how many of them are open."""
    return _silence(tx, ids, {"acked_at": None, "snoozed_until": until})


def _silence(tx: Tx, ids: Collection[int], values: dict[str, Any]) -> int:
    of_open = update(table).where(text(OPEN_INCIDENTS)).values(values)
    return sum(tx.connection.execute(of_open.where(table.c.id.in_(some))).rowcount for some in _batches(ids))


def _batches(ids: Collection[int]) -> Iterator[Sequence[int]]:
    """A statement may bind only so many values."""
    return chunks(sorted(ids), 1000)


def _chosen(source: str | None, kind: IncidentKind | None, *, open_only: bool) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [table.c.state == OPEN] if open_only else []
    chosen += [table.c.source == source] if source is not None else []
    return chosen + ([table.c.kind == kind] if kind is not None else [])


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        row.id,
        row.source,
        IncidentKind(row.kind),
        row.key,
        row.state,
        bool(row.happened),
        row.summary,
        row.tried,
        row.note,
        row.command,
        row.reference,
        row.amount,
        row.currency,
        bool(row.third_party),
        row.since,
        row.opened_at,
        row.closed_at,
        row.acked_at,
        row.snoozed_until,
    )
