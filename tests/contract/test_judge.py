"""A page of a list against a real ledger."""

from __future__ import annotations

from support.ledgers import NOON, minutes

from reconcile.connector import FilterBy, StreamFacts, StreamKind
from reconcile.model import Candidate, Occurrence, Snapshot, Subject, Window, micros
from reconcile.reading.judge import Scope, judge

ORDERS = StreamFacts("orders", StreamKind.LIST, FilterBy.UPDATED, page_size=250, resource="order")
UPDATED = "orders/updated"


def snapshot(number: int) -> Snapshot:
    return Snapshot(Subject("order", str(number)), micros(minutes(number)), minutes(number), b"{}")


def its_state(item: Snapshot, _topics: frozenset[str]) -> list[Candidate]:
    return [Candidate(UPDATED, item.subject, Occurrence.STATE, item.at, item.version, lambda: item.body)]


def test_a_page_whose_every_item_carries_its_version_is_asked_about(ledger):
    """Items that need no question about older versions still need the one about their facts (C1)."""
    scope = Scope("shop", ORDERS, frozenset({UPDATED}), {UPDATED: micros(NOON)}, {UPDATED: micros(NOON)}.get, its_state)
    with ledger.read() as tx:
        judgement = judge(tx, scope, [snapshot(1), snapshot(2)], Window(NOON, minutes(5)), set())
    assert [place for place, _ in judgement.findings.missing] == [0, 1]
    assert judgement.already_handled == 0
