"""Events handled exactly once per second, beside one bare commit each on the same disk and the same engine.

The bare side calls the same handler with a plain session of the ledger's own engine and commits: no event, no claim,
no mark, no other process. That is what the handler costs an application that keeps no record at all. The driver's own
commit of the same row is shown beside. All on SQLite with a write-ahead log and `synchronous=FULL`.

The three run in turns, a share of the events each, so that a noisy minute disturbs all alike; the ratio is of the
turn in the middle. CPU time and bytes written say how much of it is work and how much is waiting.
Run: python benchmarks/handling.py [EVENTS]
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import measure
from provider import at
from sqlalchemy import text

from reconcile import inbox
from reconcile.book import Book
from reconcile.clock import Stop, SystemClock
from reconcile.config import load
from reconcile.context import Context
from reconcile.dispatch import dispatcher_of
from reconcile.ledger import Ledger
from reconcile.model import Arrival, Description, EventState, Occurrence, Origin, Subject, micros
from reconcile.targets import factory

TURNS = 5
EFFECT = "create table if not exists effect (id text primary key, body blob not null)"
BODY = b'{"id":1,"note":"' + b"x" * 2000 + b'"}'
HANDLERS = """
from sqlalchemy import text

def save(event, session):
    session.execute(text("insert into effect values (:id, :body)"), {"id": event.id, "body": event.body})
"""
CONFIG = """
ledger: sqlite:///ledger.db
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    webhook: {url: "https://hooks.acme.example/shop", secret: dummy-secret, topics: [orders/create]}
    handler: handlers:save
"""


class Delivered(NamedTuple):
    """What the handler reads of an event."""

    id: str
    body: bytes


def bare(folder: Path, events: int) -> measure.Spent:
    """A call of the handler with a plain session, and its commit."""
    ledger = Ledger.open(f"sqlite:///{folder / 'bare.db'}", SystemClock())
    scope: dict[str, Any] = {}
    exec(HANDLERS, scope)  # noqa: S102 - the text above
    with ledger.session() as session:
        session.exec(text(EFFECT))
        session.commit()
    with measure.spending() as spent:
        for number in range(events):
            with ledger.session() as session:
                scope["save"](Delivered(f"wh-{number}", BODY), session)
                session.commit()
    ledger.close()
    return spent.per(events)


def driver(folder: Path, events: int) -> measure.Spent:
    """A commit by the driver alone: one row, one transaction."""
    database = sqlite3.connect(folder / "driver.db", isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    database.execute(EFFECT)
    with measure.spending() as spent:
        for number in range(events):
            database.execute("begin immediate")
            database.execute("insert into effect values (?, ?)", (f"wh-{number}", BODY))
            database.execute("commit")
    database.close()
    return spent.per(events)


def fill(ledger: Ledger, events: int) -> None:
    """Deliveries that wait for their handler."""
    book = Book("shop", EventState.WAITING, frozenset({"orders/create"}))
    arrivals = [
        Arrival(
            f"wh-{number}",
            Description(
                "orders/create",
                Subject("order", str(number)),
                Occurrence.ONCE,
                version=micros(at(number)),
                occurred_at=at(number),
            ),
            BODY,
            Origin.LIVE,
            carried=micros(at(number)),
        )
        for number in range(events)
    ]
    with ledger.write() as tx:
        inbox.record(tx, book, arrivals)


def ours(folder: Path, events: int) -> measure.Spent:
    """An event: claimed, handled in a worker process, effect and mark in one commit."""
    (folder / "schedules.yaml").write_text(CONFIG)
    (folder / "handlers.py").write_text(HANDLERS)
    config = load(folder / "schedules.yaml", os.environ)
    ledger = Ledger.open(config.ledger.get_secret_value(), SystemClock())
    direct = sqlite3.connect(folder / "ledger.db")
    direct.execute(EFFECT)
    direct.close()
    fill(ledger, events)
    context = Context(config, ledger, SystemClock(), Stop(), lambda _source: None, lambda *_: target)
    target = factory.make(context, config.sources["shop"])  # its worker is up before the clock starts
    with measure.spending() as spent:
        dispatcher = dispatcher_of(context, config.sources["shop"], target)
        handled = dispatcher.drain(ledger.now()).handled
    target.close()
    ledger.close()
    assert handled == events, handled
    return spent.per(events)


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
    print(f"{events} events of 2 KB handled exactly once, SQLite, in {TURNS} turns ({measure.machine()})")
    turns: list[tuple[measure.Spent, ...]] = []
    for _ in range(TURNS):
        with tempfile.TemporaryDirectory(dir=".") as name:
            turns.append(tuple(side(Path(name), events // TURNS) for side in (driver, bare, ours)))
    for name, of in zip(("the driver's commit", "a bare commit", "an event"), zip(*turns, strict=True), strict=True):
        print(f"  {name:<20} {measure.middle(of)}")
    ratios = sorted(event.wall / commit.wall for _, commit, event in turns)
    print(f"  each turn's ratio: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    measure.verdict("an event handled exactly once ÷ a bare commit", statistics.median(ratios), 1.5)


if __name__ == "__main__":
    main()
