"""Findings: every listed item in exactly one class, the first that applies."""

from __future__ import annotations

from support.rows import add_event

from reconcile.ledger import findings, gaps
from reconcile.ledger.findings import Classes, Finding
from reconcile.model import GapKind


def found(item, **values):
    return Finding("run", "shop", "orders", item, **values)


def test_items_are_counted_once_by_the_first_class(ledger):
    """C2: gap before backfilled before pending before superseded before already handled."""
    with ledger.write() as tx:
        seqs = {state: add_event(tx, state=state) for state in ("handled", "waiting", "held", "claimed", "superseded")}
        dead = add_event(tx, state="dead")
        gaps.open_(tx, "shop", GapKind.DEAD, "dead", reason="x", seq=dead)
        own = gaps.open_(tx, "shop", GapKind.MISSING, "k", reason="x")
        closed = gaps.open_(tx, "shop", GapKind.MISSING, "c", reason="x")
        gaps.close(tx, "shop", GapKind.MISSING, "c", "found")
        rows = [found(state, seq=seq) for state, seq in seqs.items()]
        rows += [
            found("several", seq=seqs["superseded"]),
            found("several", seq=seqs["waiting"], recorded=True),
            found("several", gap_id=own),
            found("new", seq=seqs["waiting"], recorded=True),
            found("new", seq=seqs["handled"]),
            found("dead", seq=dead, recorded=True),
            found("mended", gap_id=closed),
        ]
        findings.add(tx, rows)
        findings.add(tx, [])
        assert findings.classes(tx, "run") == {
            ("shop", "orders"): Classes(gap=2, backfilled=1, pending=3, superseded=1, already_handled=2)
        }


def test_streams_and_runs_are_apart(ledger):
    """An item of the same name in another stream or run is another item."""
    with ledger.write() as tx:
        seq = add_event(tx)
        findings.add(
            tx, [found("1", seq=seq), Finding("run", "shop", "refunds", "1", seq=seq), Finding("r2", "a", "b", "1")]
        )
        assert set(findings.classes(tx, "run")) == {("shop", "orders"), ("shop", "refunds")}
        findings.clear(tx, "run")
        assert findings.classes(tx, "run") == {}
        assert findings.classes(tx, "r2") == {("a", "b"): Classes(already_handled=1)}
