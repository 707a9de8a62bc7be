"""Runs: one row each, written before anything is done and finished with the result (L7)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from reconcile.ledger.ledger import Tx
from reconcile.ledger.process import Holder
from reconcile.ledger.tables_runs import runs as table
from reconcile.model import micros

#: A run of another machine that has not ended by then has crashed.
LONGEST = timedelta(days=1)
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80


@dataclass(frozen=True, slots=True)
class RunStart:
    """What is known of a run when it starts."""

    command: str
    holder: Holder
    code_version: str
    since: datetime | None = None
    until: datetime | None = None
    jobs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run. `report` is its JSON, empty until it has finished."""

    id: str
    command: str
    started_at: datetime
    finished_at: datetime | None
    since: datetime | None
    until: datetime | None
    exit_code: int | None
    code_version: str
    holder: Holder
    report: bytes


def start(tx: Tx, run: RunStart, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Enter a run; its id is a ULID, later ones sort after earlier ones even within a millisecond."""
    newest = tx.connection.execute(select(table.c.id).order_by(table.c.id.desc()).limit(1)).scalar()
    id_ = _ulid(tx.now, entropy(_RANDOM_BITS // 8), after=newest)
    values = {
        "id": id_,
        "command": run.command,
        "jobs": " ".join(run.jobs),
        "sources": " ".join(run.sources),
        "started_at": tx.now,
        "since": run.since,
        "until": run.until,
        "code_version": run.code_version,
        "host": run.holder.host,
        "pid": run.holder.pid,
        "process_started": run.holder.process_started,
        "report": b"",
    }
    tx.connection.execute(insert(table).values(values))
    return id_


def finish(tx: Tx, id_: str, exit_code: int, report: bytes) -> None:
    """Say how a run ended."""
    values = {"finished_at": tx.now, "exit_code": exit_code, "report": report}
    tx.connection.execute(update(table).where(table.c.id == id_).values(values))


def crashed(tx: Tx) -> list[Run]:
    """Runs without an end whose process is gone, or which started elsewhere over a day ago; oldest first."""
    query = select(table).where(table.c.finished_at.is_(None)).order_by(table.c.id)
    unfinished = [_run(row) for row in tx.connection.execute(query)]
    return [run for run in unfinished if _has_crashed(run, tx.now)]


def recent(tx: Tx, number: int) -> list[Run]:
    """The last runs, newest first."""
    return [_run(row) for row in tx.connection.execute(select(table).order_by(table.c.id.desc()).limit(number))]


def _has_crashed(run: Run, now: datetime) -> bool:
    return run.holder.gone() if run.holder.here() else run.started_at < now - LONGEST


def _ulid(now: datetime, random: bytes, after: str | None) -> str:
    """Milliseconds since 1970 and 80 random bits in Crockford's base 32 (https://github.com/ulid/spec)."""
    number = (micros(now) // 1000 << _RANDOM_BITS) | int.from_bytes(random, "big")
    if after is not None:
        number = max(number, _number(after) + 1)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _number(ulid: str) -> int:
    number = 0
    for letter in ulid:
        number = number << 5 | _ALPHABET.index(letter)
    return number


def _run(row: Row[Any]) -> Run:
    return Run(
        row.id,
        row.command,
        row.started_at,
        row.finished_at,
        row.since,
        row.until,
        row.exit_code,
        row.code_version,
        Holder(f"{row.host}:{row.pid}", row.host, row.pid, row.process_started),
        row.report,
    )
