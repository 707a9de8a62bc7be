"""What the checker sees: the providers' truth, the service's effects, and the ledger's rows, by sqlite3 alone."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulation.told import STATE_TOPIC, Fact, Told, read
from simulation.world import World

#: Tables whose every change matters to a later run; runs and their counts come and go with each.
LASTING = (
    "reconcile_event",
    "reconcile_gap",
    "reconcile_alias",
    "reconcile_horizon",
    "reconcile_attempt",
    "reconcile_body",
)
_EVENTS = """select e.*, coalesce(b.body, x'') as body
    from reconcile_event e left join reconcile_body b on b.seq = e.seq order by e.seq"""


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of the service, in the order in which they were committed."""

    n: int
    told: Told
    id: str
    carried: int | None
    reconstructed: bool
    late: bool
    subject: str
    occurred_at: int | None
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One event of the ledger."""

    seq: int
    id: str
    told: Told
    carried: int | None
    state: str
    origin: str
    reconstructed: bool
    takeovers: int
    at: int


class Records:
    """Reads everything anew whenever it is asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ledger = _open(str(world.path))
        self._own = _open(str(world.own))

    def close(self) -> None:
        """Let go of both files."""
        self._ledger.close()
        self._own.close()

    def query(self, sql: str, *bound: Any) -> list[sqlite3.Row]:
        """Rows of the ledger's file."""
        return self._ledger.execute(sql, bound).fetchall()

    def truth(self, source: str) -> Iterator[Told]:
        """What really happened, of the topics the source has subscribed to, oldest first."""
        topics = set(self._world.plan.topics[source])
        for happened in self._world.fakes[source].truth:
            if (happened.topic in topics or "*" in topics) and (source == "shop" or happened.event_id):
                yield read(source, happened.topic, happened.body)

    def deleted(self) -> set[str]:
        """Orders that are gone: what was missed of them nobody can tell any more."""
        if "shop" not in self._world.fakes:
            return set()
        return {one.subject_id for one in self._world.fakes["shop"].truth if one.topic == "orders/delete"}

    def versions(self) -> dict[str, int]:
        """The latest version of every order, whatever changed it."""
        latest: dict[str, int] = {}
        for one in self._world.fakes["shop"].truth if "shop" in self._world.fakes else ():
            if one.topic.startswith("orders/") and one.topic != "orders/delete":
                version = read("shop", one.topic, one.body).version
                assert version is not None
                latest[one.subject_id] = max(version, latest.get(one.subject_id, version))
        return latest

    def effects(self) -> list[Effect]:
        """Every effect, of either database."""
        found = self.query("select * from effect order by n")
        if not self._world.plan.exactly_once:
            found += self._own.execute("select * from effect order by n").fetchall()
        return [_effect(row) for row in found]

    def rows(self) -> list[Row]:
        """Every event of the ledger whose body is there."""
        return [_row(row) for row in self.query(_EVENTS)]

    def gap_facts(self) -> list[tuple[str, str, str, str]]:
        """The fact that each open gap speaks for: its event's, or the one its key names."""
        found: list[tuple[str, str, str, str]] = []
        rows = {row.seq: row for row in self.rows()}
        for gap in self.query("select * from reconcile_gap where state = 'open'"):
            if gap["seq"] in rows:
                found.append(rows[gap["seq"]].told.fact.key)
            elif gap["kind"] == "not_rebuildable":
                topic, subject, *occurrence = gap["key"].split(":", 2)
                found.append((gap["source"], topic, subject, "".join(occurrence)))
        return found

    def gap_versions(self) -> dict[str, int]:
        """The newest version of each order that an event with an open gap carries."""
        seqs = {gap["seq"] for gap in self.query("select seq from reconcile_gap where state = 'open'")}
        return newest((row.told.fact, row.carried) for row in self.rows() if row.seq in seqs)

    def digest(self, tables: tuple[str, ...] = LASTING) -> str:
        """A fingerprint of tables, attempts of calls included."""
        whole = hashlib.sha256()
        for table in tables:
            columns = [
                row[1] for row in self.query(f"pragma table_info({table})") if row[1] not in ("seen_at", "run_id")
            ]
            for row in self.query(f"select {', '.join(columns)} from {table} order by rowid"):
                whole.update(repr(tuple(row)).encode())
        return whole.hexdigest()


def newest(carried: Iterator[tuple[Fact, int | None]]) -> dict[str, int]:
    """By order, the newest version carried."""
    found: dict[str, int] = {}
    for fact, version in carried:
        if version is not None and fact.source == "shop":
            found[fact.subject] = max(version, found.get(fact.subject, version))
    return found


def is_state(fact: Fact) -> bool:
    """Whether a fact is a state, of which the newest is enough."""
    return fact.topic == STATE_TOPIC


def _open(path: str) -> sqlite3.Connection:
    """Read as it stands now, whenever asked: no transaction outlives its statement."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _effect(row: sqlite3.Row) -> Effect:
    told = read(row["source"], row["topic"], row["body"])
    return Effect(
        n=row["n"],
        told=told,
        id=row["id"],
        carried=_carried(told, row["reconstructed"], row["version"]),
        reconstructed=bool(row["reconstructed"]),
        late=bool(row["late"]),
        subject=row["subject"],
        occurred_at=row["occurred_at"],
        key=row["idempotency_key"],
        body=row["body"],
    )


def _row(row: sqlite3.Row) -> Row:
    told = read(row["source"], row["topic"], row["body"])
    return Row(
        seq=row["seq"],
        id=row["id"],
        told=told,
        carried=_carried(told, row["reconstructed"], row["version"]),
        state=row["state"],
        origin=row["origin"],
        reconstructed=bool(row["reconstructed"]),
        takeovers=row["takeovers"],
        at=row["position"] // 1_000_000,
    )


def _carried(told: Told, reconstructed: int, version: int | None) -> int | None:
    del version
    return told.carried(reconstructed=bool(reconstructed))
