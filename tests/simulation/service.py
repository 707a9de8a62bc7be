"""The application behind the handlers: its effects, and how often it fails."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from reconcile.model import Event

TABLE = """create table if not exists effect (n integer primary key autoincrement, source text, id text, topic text,
    subject text, version integer, body blob, origin text, reconstructed integer, late integer, attempt integer,
    idempotency_key text, occurred_at integer, through_session integer)"""
_INSERT = """insert into effect (source, id, topic, subject, version, body, origin, reconstructed, late, attempt,
    idempotency_key, occurred_at, through_session) values (:source, :id, :topic, :subject, :version, :body, :origin,
    :reconstructed, :late, :attempt, :idempotency_key, :occurred_at, :through_session)"""
HOPELESS = 1_000


def _row(event: Event, *, through_session: bool) -> dict[str, Any]:
    return {
        "source": event.source,
        "id": event.id,
        "topic": event.topic,
        "subject": str(event.subject or ""),
        "version": event.version,
        "body": event.body,
        "origin": str(event.origin),
        "reconstructed": int(event.reconstructed),
        "late": int(event.late),
        "attempt": event.attempt,
        "idempotency_key": event.idempotency_key,
        "occurred_at": int(event.occurred_at.timestamp()) if event.occurred_at else None,
        "through_session": int(through_session),
    }


@dataclass
class Service:
    """Handlers of every source. `calls` counts every call; some events fail once or twice, some for ever.

    An effect goes through the ledger's session (`exactly_once`) or into the service's own database, beside it.
    """

    seed: int
    own: sqlite3.Connection
    exactly_once: bool
    trouble: float
    calls: int = 0
    _failures: dict[tuple[str, str], int] = field(default_factory=dict)

    def with_session(self, event: Event, session: Session) -> None:
        """Its effect and the handled mark are one commit; it may fail after its effect was written."""
        self.calls += 1
        fails, after = self._fails(event)
        if fails and not after:
            raise RuntimeError("the service has trouble")
        session.connection().execute(text(_INSERT), _row(event, through_session=True))
        if fails:
            raise RuntimeError("the service has trouble after its effect")

    def without_session(self, event: Event) -> None:
        """Its effect is kept at once, elsewhere."""
        self.calls += 1
        if self._fails(event)[0]:
            raise RuntimeError("the service has trouble")
        self.own.execute(_INSERT, _row(event, through_session=False))

    @property
    def handler(self) -> Any:
        """What a target calls."""
        return self.with_session if self.exactly_once else self.without_session

    def _fails(self, event: Event) -> tuple[bool, bool]:
        key = (event.source, event.id)
        dice = random.Random(f"{self.seed} {event.topic} {event.subject} {event.version}")
        planned = dice.choice((1, 1, 2, 4, HOPELESS)) if dice.random() < self.trouble else 0
        done = self._failures.get(key, 0)
        if done >= planned:
            return False, False
        self._failures[key] = done + 1
        return True, dice.random() < 0.5
