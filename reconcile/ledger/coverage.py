"""Which windows of a stream are proven, read when, and judged for which topics.

Reads overlap: every run reads the provisional stretch again. `merged` keeps the table small without ever
forgetting a proof: final stretches judged alike become one row, and what a better read covers is cut away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Row, Select, and_, delete, insert, select

from reconcile.ledger.checkpoints import Checkpoint, decode, drop_checkpoint, encode, open_windows, save_checkpoint
from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables_coverage import coverage as table
from reconcile.model import Window
from reconcile.windows import holes

__all__ = [
    "Checkpoint",
    "Covered",
    "add",
    "drop_checkpoint",
    "load",
    "merged",
    "open_windows",
    "remove",
    "save_checkpoint",
]


@dataclass(frozen=True, slots=True)
class Covered:
    """A proven window: provider time when its listing began, and per topic the earliest fact time judged (µs)."""

    window: Window
    read_at: datetime
    floors: Mapping[str, int]

    def final(self, overlap: timedelta) -> bool:
        """Whether all of it was read at least `overlap` after it happened."""
        return self.read_at >= self.window.end + overlap


def load(tx: Tx, source: str, stream: str, fingerprint: str) -> list[Covered]:
    """Everything proven of a stream, earliest start first; windows may overlap."""
    query = _rows_of(source, stream, fingerprint).order_by(table.c.start, table.c.read_at)
    return [_covered(row) for row in tx.connection.execute(query)]


def add(
    tx: Tx, source: str, stream: str, fingerprint: str, covered: Covered, run_id: str, *, overlap: timedelta
) -> None:
    """Enter a proven window, merged with the rows it overlaps or touches."""
    near = _rows_of(source, stream, fingerprint).where(
        table.c.start <= covered.window.end, table.c.end >= covered.window.start
    )
    rows = list(tx.connection.execute(near.order_by(table.c.id).with_for_update()))
    wanted = merged([*map(_covered, rows), covered], overlap)
    known = [_covered(row) for row in rows]
    if stale := [row.id for row, was in zip(rows, known, strict=True) if was not in wanted]:
        tx.connection.execute(delete(table).where(table.c.id.in_(stale)))
    key = {"source": source, "stream": stream, "fingerprint": fingerprint, "run_id": run_id}
    if new := [key | _values(part) for part in wanted if part not in known]:
        tx.connection.execute(insert(table), new)


def remove(tx: Tx, source: str, stream: str, fingerprint: str, window: Window) -> None:
    """Take a window out of what is proven: a later listing of it was found to be incomplete."""
    near = _rows_of(source, stream, fingerprint).where(table.c.start < window.end, table.c.end > window.start)
    rows = list(tx.connection.execute(near.with_for_update()))
    if not rows:
        return
    tx.connection.execute(delete(table).where(table.c.id.in_([row.id for row in rows])))
    key = {"source": source, "stream": stream, "fingerprint": fingerprint}
    kept = [
        key | {"run_id": row.run_id} | _values(replace(_covered(row), window=part))
        for row in rows
        for part in holes(Window(row.start, row.end), [window])
    ]
    if kept:
        tx.connection.execute(insert(table), kept)


def merged(claims: Iterable[Covered], overlap: timedelta) -> list[Covered]:
    """The fewest claims that prove, of every instant, all that `claims` prove of it; sorted, by start first. Pure.

    Of a final instant only its floors matter; of a provisional one, when it was read as well. A joined row keeps
    the newest of its parts' `read_at`.
    """
    pieces = [piece for claim in claims for piece in _pieces(claim, overlap)]
    edges = sorted({edge for piece in pieces for edge in (piece.window.start, piece.window.end)})
    joined: dict[Any, list[Covered]] = {}
    for start, end in pairwise(edges):
        here = [piece for piece in pieces if piece.window.start <= start and end <= piece.window.end]
        for piece in _best(here, overlap):
            kind = None if piece.final(overlap) else piece.read_at
            rows = joined.setdefault((kind, encode(piece.floors)), [])
            _join(rows, replace(piece, window=Window(start, end)))
    kept = [row for rows in joined.values() for row in rows]
    return sorted(kept, key=lambda row: (row.window, row.read_at, encode(row.floors)))


def _pieces(claim: Covered, overlap: timedelta) -> Iterator[Covered]:
    """A claim cut where its final part ends."""
    cut = min(max(claim.read_at - overlap, claim.window.start), claim.window.end)
    for start, end in ((claim.window.start, cut), (cut, claim.window.end)):
        if start < end:
            yield replace(claim, window=Window(start, end))


def _best(pieces: Sequence[Covered], overlap: timedelta) -> list[Covered]:
    """The pieces, all of one stretch, that no other makes needless; of equals the newest."""
    best: list[Covered] = []
    for piece in sorted(pieces, key=lambda piece: piece.read_at, reverse=True):
        if not any(_as_good(other, piece, overlap) for other in best):
            best = [other for other in best if not _as_good(piece, other, overlap)] + [piece]
    return best


def _as_good(one: Covered, other: Covered, overlap: timedelta) -> bool:
    newer = one.final(overlap) or one.read_at >= other.read_at
    return newer and all(topic in one.floors and one.floors[topic] <= floor for topic, floor in other.floors.items())


def _join(rows: list[Covered], part: Covered) -> None:
    if rows and rows[-1].window.end == part.window.start:
        last = rows.pop()
        part = Covered(Window(last.window.start, part.window.end), max(last.read_at, part.read_at), part.floors)
    rows.append(part)


def _rows_of(source: str, stream: str, fingerprint: str) -> Select[Any]:
    of_stream = and_(table.c.source == source, table.c.stream == stream, table.c.fingerprint == fingerprint)
    return select(table).where(of_stream)


def _covered(row: Row[Any]) -> Covered:
    return Covered(Window(row.start, row.end), row.read_at, decode(row.floors))


def _values(covered: Covered) -> dict[str, object]:
    return {
        "start": covered.window.start,
        "end": covered.window.end,
        "read_at": covered.read_at,
        "floors": encode(covered.floors),
    }
