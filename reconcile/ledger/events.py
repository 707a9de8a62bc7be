"""Events in the ledger: what of a page it lacks, who holds a fact, and how rows come and change.

Every question about a page is one statement. `cross join` is an inner join with its conditions in `where`; SQLite
takes it as the order to go in, page first: left to itself it walks the whole source for every page. Recording happens
in a write transaction after `subjects.lock`, so what was asked there still holds when the rows go in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import func, or_, select, text, update

from reconcile.ledger import attempts, bodies
from reconcile.ledger.ledger import Tx
from reconcile.ledger.rowset import Rowset, chunks
from reconcile.ledger.sql import insert
from reconcile.ledger.tables import OPEN_EVENTS, aliases
from reconcile.ledger.tables import events as table
from reconcile.model import DONE_STATES, EventState

_DONE = ", ".join([f"'{state}'" for state in DONE_STATES if state is not EventState.IGNORED] + [":ignored"])
#: Enough for every insert to stay under both engines' limits on bound parameters.
_CHUNK = 500


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
def _lacking_sql(dialect: str) -> Any:
    return text(f"""
        select 0 as part, facts.n as n from {_FACTS.sql(dialect)} where not exists (
            select 1 from reconcile_event e
            where e.source = :source and e.fact = facts.key and e.state in ({_DONE}))
        union all
        select 1, states.n from {_STATES.sql(dialect)} where not exists (
            select 1 from reconcile_event e
            where e.source = :source and e.subject_type = states.type and e.subject_id = states.id
              and e.carried >= states.version and e.state in ({_DONE})
              and e.topic in (select topic from {_TOPICS.sql(dialect)}))
        union all
        select 2, seen.n from {_SEEN.sql(dialect)} cross join reconcile_subject s
        where s.source = :source and s.type = seen.type and s.id = seen.id and s.version < seen.version
        """)


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
    dialect = tx.dialect
    bound = {
        "source": source,
        "ignored": _ignored(ignored_is_done),
        **_FACTS.bind(dialect, [(key,) for key in facts]),
        **_STATES.bind(dialect, states),
        **_TOPICS.bind(dialect, [(topic,) for topic in topics]),
        **_SEEN.bind(dialect, seen),
    }
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for part, n in tx.connection.execute(_lacking_sql(dialect), bound):
        parts[part].append(n)
    return Lacking(*parts)


@cache
def _ids_sql(dialect: str) -> Any:
    return text(f"""
        select ids.n from {_IDS.sql(dialect)} where not exists (
            select 1 from reconcile_event e where e.source = :source and e.id = ids.id and e.state in ({_DONE}))
        and not exists (
            select 1 from reconcile_alias a join reconcile_event e on e.seq = a.seq
            where a.source = :source and a.id = ids.id and e.state in ({_DONE}))
        """)


def _ignored(is_done: bool) -> str:  # noqa: FBT001 - a setting passed through
    return EventState.IGNORED.value if is_done else ""


def unfinished_ids(tx: Tx, source: str, ids: Sequence[str], *, ignored_is_done: bool = True) -> list[int]:
    """The places in `ids` of logged events that no finished event accounts for; one statement."""
    bound = {"source": source, "ignored": _ignored(ignored_is_done), **_IDS.bind(tx.dialect, [(id_,) for id_ in ids])}
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
    bound = {"source": source, **_IDS.bind(tx.dialect, [(id_,) for id_ in ids])}
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
    bound = {"source": source, **_FACTS.bind(tx.dialect, [(key,) for key in facts])}
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
        **_TOPICS.bind(tx.dialect, [(topic,) for topic in topics]),
    }
    return {row.asked: _held(row) for row in tx.connection.execute(_by_version_sql(tx.dialect), bound)}


def by_bytes(tx: Tx, source: str, topic: str, digests: Iterable[bytes]) -> dict[bytes, Held]:
    """The oldest event of `topic` delivered with exactly the bytes of each digest, for providers whose ids change."""
    picks = (table.c.seq, table.c.state, table.c.reconstructed, table.c.absorbed, table.c.body_hash)
    delivered = or_(table.c.reconstructed == 0, table.c.absorbed == 1)
    query = select(*picks).where(table.c.source == source, table.c.topic == topic, delivered)
    rows = tx.connection.execute(query.where(table.c.body_hash.in_(list(digests))).order_by(table.c.seq.desc()))
    return {bytes(row.body_hash): _held(row) for row in rows}


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
