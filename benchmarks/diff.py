"""What the diff costs per item against recorded events: beside the bare anti-join statement, and ORM selects.

Run: python benchmarks/diff.py [EVENTS]
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path

import measure
import msgspec
from ledgers import ONE_IN, full
from provider import at, order
from sqlalchemy import text
from sqlmodel import Session, select

from connectors.shopify.facts import FACTS
from connectors.shopify.listing import _snapshot
from connectors.shopify.rebuild import rebuild
from reconcile.ledger import Ledger
from reconcile.ledger.tables import EventRow
from reconcile.model import Candidate, Snapshot, Window, micros
from reconcile.reading.judge import Scope, judge

PAGE = 250
PAGES = 40
ROUNDS = 15
TOPICS = ("orders/create",)
BARE = text("""
    select page.key from json_each(:facts) page where not exists (
        select 1 from reconcile_event e where e.source = 'shop' and e.fact = page.value and e.state = 'handled')
""")


def pages(events: int) -> list[list[Snapshot]]:
    """Pages of listed orders, spread over the record."""
    step = max(1, events // (PAGE * PAGES))
    while math.gcd(step, ONE_IN) > 1:
        step -= 1  # in step with what is missing, every tenth would be
    numbers = list(range(0, step * PAGE * PAGES, step))
    made = [_snapshot("order", msgspec.Raw(order(number).encode())) for number in numbers]
    return [made[start : start + PAGE] for start in range(0, len(made), PAGE)]


def bare(ledger: Ledger, listed: list[list[Snapshot]]) -> int:
    """One statement a page, of keys made beforehand; nothing is decided."""
    with ledger.read() as tx:
        for page in listed:
            keys = json.dumps([f"orders/create:{item.subject.id}" for item in page])
            tx.connection.execute(BARE, {"facts": keys}).all()
    return len(listed) * PAGE


Facts = dict[str, list[Candidate]]


def facts_of(listed: list[list[Snapshot]]) -> Facts:
    """What each order proves, made beforehand as the bare statement's keys are."""
    topics = frozenset(TOPICS)
    return {item.subject.id: list(rebuild(item, topics, "2026-10")) for page in listed for item in page}


def rebuilding(listed: list[list[Snapshot]]) -> int:
    """The connector's part, shown beside: what a listed order proves."""
    facts_of(listed)
    return len(listed) * PAGE


def ours(ledger: Ledger, listed: list[list[Snapshot]], facts: Facts, window: Window) -> int:
    """Production's judgement of the same pages: repeats, window, floors, the question, and what the answer means."""
    floors = dict.fromkeys(TOPICS, micros(at(0)))
    scope = Scope(
        source="shop",
        stream=FACTS.stream("orders"),
        topics=frozenset(floors),
        floors=floors,
        floor=floors.get,
        rebuild=lambda snapshot, _: facts[snapshot.subject.id],
    )
    seen: set[tuple[str, int]] = set()
    for page in listed:
        with ledger.read() as tx:
            judge(tx, scope, page, window, seen)
    return len(listed) * PAGE


def orm(ledger: Ledger, listed: list[list[Snapshot]]) -> int:
    """One ORM select an item, a tenth of the items."""
    some = listed[: max(1, len(listed) // 10)]
    with ledger.session() as session:
        _select_each(session, some)
    return len(some) * PAGE


def _select_each(session: Session, listed: list[list[Snapshot]]) -> None:
    for page in listed:
        for item in page:
            fact = f"orders/create:{item.subject.id}"
            session.exec(select(EventRow).where(EventRow.source == "shop", EventRow.fact == fact)).first()


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"Diff of {PAGE * PAGES} items against {events} recorded events, SQLite, 0.1 % missing ({measure.machine()})")
    with tempfile.TemporaryDirectory() as folder:
        ledger = full(Path(folder), events)
        listed, window = pages(events), Window(at(0), at(events + 1))
        facts = facts_of(listed)
        runs = [
            lambda: bare(ledger, listed),
            lambda: ours(ledger, listed, facts, window),
            lambda: orm(ledger, listed),
            lambda: rebuilding(listed),
        ]
        anti_join, judged, selects, rebuilt = measure.alternating(runs, ROUNDS)
        ledger.close()
    print(f"  bare anti-join {anti_join:6.1f} µs   reconcile {judged:6.1f} µs   ORM select an item {selects:6.1f} µs")
    print(f"  (the connector's rebuilding of facts, before the diff: {rebuilt:.1f} µs)")
    measure.verdict("reconcile ÷ bare anti-join", judged / anti_join, 1.5)
    measure.verdict("ORM select an item ÷ reconcile", selects / judged, 30, at_least=True)


if __name__ == "__main__":
    main()
