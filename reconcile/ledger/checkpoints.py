"""Windows still open: how far their listing came, so that a killed run is taken up at its last page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import and_, delete, select

from reconcile.ledger.ledger import Tx
from reconcile.ledger.sql import insert
from reconcile.ledger.tables_coverage import checkpoints as table
from reconcile.model import Window


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An open window and the provider's cursor of its next page; `read_at` is provider time when its listing began."""

    source: str
    stream: str
    fingerprint: str
    window: Window
    read_at: datetime
    floors: Mapping[str, int]
    cursor: str
    pages: int = 0
    items: int = 0


def open_windows(tx: Tx, source: str, stream: str, fingerprint: str) -> list[Checkpoint]:
    """The stream's open windows, earliest first."""
    of_stream = and_(table.c.source == source, table.c.stream == stream, table.c.fingerprint == fingerprint)
    rows = tx.connection.execute(select(table).where(of_stream).order_by(table.c.start, table.c.end))
    return [
        Checkpoint(
            source,
            stream,
            fingerprint,
            Window(row.start, row.end),
            row.read_at,
            decode(row.floors),
            row.cursor,
            row.pages,
            row.items,
        )
        for row in rows
    ]


def save_checkpoint(tx: Tx, checkpoint: Checkpoint) -> None:
    """Remember how far a window's listing came; the same window's older checkpoint goes."""
    key = {
        "source": checkpoint.source,
        "stream": checkpoint.stream,
        "fingerprint": checkpoint.fingerprint,
        "start": checkpoint.window.start,
        "end": checkpoint.window.end,
    }
    values = {
        "read_at": checkpoint.read_at,
        "floors": encode(checkpoint.floors),
        "cursor": checkpoint.cursor,
        "pages": checkpoint.pages,
        "items": checkpoint.items,
    }
    statement = insert(tx.dialect, table).values(key | values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def drop_checkpoint(tx: Tx, source: str, stream: str, fingerprint: str, window: Window) -> None:
    """Forget a window that is covered, or that will be read from its start."""
    of_stream = and_(table.c.source == source, table.c.stream == stream, table.c.fingerprint == fingerprint)
    of_window = and_(table.c.start == window.start, table.c.end == window.end)
    tx.connection.execute(delete(table).where(of_stream, of_window))


def encode(floors: Mapping[str, int]) -> str:
    """Floors as JSON, the same text for the same floors."""
    return msgspec.json.encode(floors, order="sorted").decode()


def decode(text: str) -> dict[str, int]:
    """Floors from what `encode` made."""
    return msgspec.json.decode(text, type=dict[str, int])
