"""Ledgers full of handled events, made the quick way: straight into the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from provider import FIRST_ID, at

from reconcile.clock import SystemClock
from reconcile.ledger import Ledger
from reconcile.model import micros

#: One in this many events is missing from the record.
ONE_IN = 1000

_EVENT = """
    insert into reconcile_event (source, id, topic, subject_type, subject_id, kind, fact, version, carried, position,
        occurred_at, recorded_at, origin, state, body_hash)
    values ('shop', ?, 'orders/create', 'order', ?, 'once', ?, ?, ?, ?, ?, ?, 'live', 'handled', x'')
"""


def rows(items: int) -> Iterator[tuple[object, ...]]:
    """One handled `orders/create` an order, as a live delivery leaves it; every thousandth was lost."""
    for number in range(items):
        if number % ONE_IN != ONE_IN // 2:
            when, order = micros(at(number)), str(FIRST_ID + number)
            yield (f"wh-{number}", order, f"orders/create:{order}", when, when, when, when, when)


def full(folder: Path, items: int) -> Ledger:
    """An SQLite ledger that recorded and handled all but one in a thousand of `items` orders."""
    path = folder / f"ledger-{items}.db"
    ledger = Ledger.open(f"sqlite:///{path}", SystemClock())
    direct = sqlite3.connect(path)
    direct.executemany(_EVENT, rows(items))
    direct.execute(
        "insert into reconcile_subject (source, type, id, version) select source, subject_type, subject_id, version"
        " from reconcile_event"
    )
    direct.commit()
    direct.close()
    return ledger
