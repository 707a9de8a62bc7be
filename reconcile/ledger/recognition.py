"""What the record knows of what comes in: by its id, its fact, its version or its bytes; and what of a page it lacks.

Every question about a page is one statement. `cross join` is an inner join with its conditions in `where`; SQLite
takes it as the order to go in, page first: left to itself it walks the whole source for every page. Recording happens
in a write transaction after `subjects.lock`, so what was asked there still holds when the rows go in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import or_, select, text

from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import Rowset
from reconcile.ledger.tables import events as table
from reconcile.model import DONE_STATES, EventState

#: Almost all that is asked for is handled: one comparison, where an `in` of several is looked up.
_OTHERS = [f"'{state}'" for state in DONE_STATES if state not in (EventState.HANDLED, EventState.IGNORED)]
_IS_DONE = f"(e.state = '{EventState.HANDLED}' or e.state in ({', '.join([*_OTHERS, ':ignored'])}))"


@dataclass(frozen=True, slots=True)
class Held:
    """The row that answers a question: an event that already holds the fact, id or version asked for."""

    seq: int
    state: EventState
    reconstructed: bool
    absorbed: bool


@dataclass(frozen=True, slots=True)
class Lacking:
    """What of a page is not done, as places in the lists that were asked; and whose known version is behind."""

    facts: list[int]
    states: list[int]
    behind: list[int]


_FACTS = Rowset("facts", key="text")
_STATES = Rowset("states", type="text", id="text", version="int")
_TOPICS = Rowset("topics", topic="text")
_SEEN = Rowset("seen", type="text", id="text", version="int")
_IDS = Rowset("ids", id="text")


@cache
def _lacking_sql(dialect: str, facts: bool, states: bool, seen: bool) -> Any:  # noqa: FBT001 - which parts it has
    parts = {
        f"""select 0 as part, facts.n as n from {_FACTS.sql(dialect)} where not exists (
            select 1 from reconcile_event e
            where e.source = :source and e.fact = facts.key and {_IS_DONE})""": facts,
        f"""select 1 as part, states.n as n from {_STATES.sql(dialect)} where not exists (
            select 1 from reconcile_event e
            where e.source = :source and e.subject_type = states.type and e.subject_id = states.id
              and e.carried >= states.version and {_IS_DONE}
              and e.topic in (select topic from {_TOPICS.sql(dialect)}))""": states,
        f"""select 2 as part, seen.n as n from {_SEEN.sql(dialect)} cross join reconcile_subject s
            where s.source = :source and s.type = seen.type and s.id = seen.id and s.version < seen.version""": seen,
    }
    return text(" union all ".join(part for part, asked in parts.items() if asked))


def lacking(
    tx: Tx,
    source: str,
    topics: Iterable[str],
    facts: Sequence[str],
    states: Sequence[tuple[str, str, int]],
    seen: Sequence[tuple[str, str, int]],
    *,
    ignored_is_done: bool = True,
) -> Lacking:
    """Which of a page's facts and states no finished event accounts for; one statement.

    `facts` are keys; `states` and `seen` are (subject type, subject id, version). A state is accounted for by
    any event of a subscribed topic that carries its version or a newer one. `seen` asks the other way round:
    which subjects the ledger knows only in an older version than the page shows. Without `ignored_is_done` an event
    that nobody wanted when it came accounts for nothing.
    """
    dialect, bound = tx.dialect, {"source": source}
    if facts or states:
        bound["ignored"] = _ignored(ignored_is_done)
    if facts:
        bound |= _FACTS.bind(dialect, facts)
    if states:
        bound |= _STATES.bind(dialect, states) | _TOPICS.bind(dialect, topics)
    if seen:
        bound |= _SEEN.bind(dialect, seen)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    if facts or states or seen:
        for part, n in tx.connection.execute(_lacking_sql(dialect, bool(facts), bool(states), bool(seen)), bound):
            parts[part].append(n)
    return Lacking(*parts)


@cache
def _ids_sql(dialect: str) -> Any:
    return text(f"""
        select ids.n from {_IDS.sql(dialect)} where not exists (
            select 1 from reconcile_event e where e.source = :source and e.id = ids.id and {_IS_DONE})
        and not exists (
            select 1 from reconcile_alias a join reconcile_event e on e.seq = a.seq
            where a.source = :source and a.id = ids.id and {_IS_DONE})
        """)


def _ignored(is_done: bool) -> str:  # noqa: FBT001 - a setting passed through
    return EventState.IGNORED.value if is_done else ""


def unfinished_ids(tx: Tx, source: str, ids: Sequence[str], *, ignored_is_done: bool = True) -> list[int]:
    """The places in `ids` of logged events that no finished event accounts for; one statement."""
    bound = {"source": source, "ignored": _ignored(ignored_is_done), **_IDS.bind(tx.dialect, ids)}
    return [row[0] for row in tx.connection.execute(_ids_sql(tx.dialect), bound)]


def _held(row: Any) -> Held:
    return Held(row.seq, EventState(row.state), bool(row.reconstructed), bool(row.absorbed))


@cache
def _by_id_sql(dialect: str) -> Any:
    picks = "e.seq, e.state, e.reconstructed, e.absorbed"
    return text(f"""
        select ids.id as asked, {picks} from {_IDS.sql(dialect)}
            cross join reconcile_event e where e.source = :source and e.id = ids.id
        union all
        select ids.id, {picks} from {_IDS.sql(dialect)}
            cross join reconcile_alias a cross join reconcile_event e
            where a.source = :source and a.id = ids.id and e.seq = a.seq
        """)


def by_id(tx: Tx, source: str, ids: Sequence[str]) -> dict[str, Held]:
    """The events known by one of `ids`, as their own id or an alias."""
    bound = {"source": source, **_IDS.bind(tx.dialect, ids)}
    return {row.asked: _held(row) for row in tx.connection.execute(_by_id_sql(tx.dialect), bound)}


@cache
def _by_fact_sql(dialect: str) -> Any:
    return text(f"""
        select facts.key as asked, e.seq, e.state, e.reconstructed, e.absorbed
        from {_FACTS.sql(dialect)} cross join reconcile_event e where e.source = :source and e.fact = facts.key
        order by e.seq
        """)


def by_fact(tx: Tx, source: str, facts: Sequence[str]) -> dict[str, list[Held]]:
    """Every event that holds one of `facts`, oldest recorded first."""
    found: dict[str, list[Held]] = {}
    bound = {"source": source, **_FACTS.bind(tx.dialect, facts)}
    for row in tx.connection.execute(_by_fact_sql(tx.dialect), bound):
        found.setdefault(row.asked, []).append(_held(row))
    return found


@cache
def _by_version_sql(dialect: str) -> Any:
    return text(f"""
        select states.n as asked, e.seq, e.state, e.reconstructed, e.absorbed
        from {_STATES.sql(dialect)} cross join reconcile_event e
        where e.source = :source and e.subject_type = states.type and e.subject_id = states.id
         and e.carried >= states.version and e.topic in (select topic from {_TOPICS.sql(dialect)})
        order by e.carried
        """)


def by_version(tx: Tx, source: str, topics: Iterable[str], states: Sequence[tuple[str, str, int]]) -> dict[int, Held]:
    """For the place of each state asked, the newest event of a subscribed topic that accounts for it."""
    bound = {
        "source": source,
        **_STATES.bind(tx.dialect, states),
        **_TOPICS.bind(tx.dialect, topics),
    }
    return {row.asked: _held(row) for row in tx.connection.execute(_by_version_sql(tx.dialect), bound)}


def by_bytes(tx: Tx, source: str, topic: str, digests: Iterable[bytes]) -> dict[bytes, Held]:
    """The oldest event of `topic` delivered with exactly the bytes of each digest, for providers whose ids change."""
    picks = (table.c.seq, table.c.state, table.c.reconstructed, table.c.absorbed, table.c.body_hash)
    delivered = or_(table.c.reconstructed == 0, table.c.absorbed == 1)
    query = select(*picks).where(table.c.source == source, table.c.topic == topic, delivered)
    rows = tx.connection.execute(query.where(table.c.body_hash.in_(list(digests))).order_by(table.c.seq.desc()))
    return {bytes(row.body_hash): _held(row) for row in rows}
