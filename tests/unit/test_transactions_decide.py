"""What a report means for what is known: a table of cases, and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledgers import NOON, minutes

from reconcile.model import Reported, Subject, TransactionStatus
from reconcile.transactions.decide import Road, Verdict, decide
from reconcile.transactions.transaction import LADDER, State, Transaction

SUBJECT = Subject("payment", "p_1")
PENDING, SUCCEEDED = TransactionStatus.PENDING, TransactionStatus.SUCCEEDED
FAILED, REFUNDED = TransactionStatus.FAILED, TransactionStatus.REFUNDED
KNOWN = Transaction(
    source="gate", subject=SUBJECT, state=State.PENDING, status=PENDING, raw="pending", amount=Decimal("19.90"),
    currency="EUR", tracked=False, at=NOON, known_at=NOON, changed_at=None, ended_at=None, since=NOON, attempts=0,
    asked_at=None, answer="", note="",
)  # fmt: skip
PAID = replace(KNOWN, state=State.SETTLED, status=SUCCEEDED, changed_at=minutes(10))


def told(status, **more):
    return Reported(SUBJECT, status, more.pop("raw", str(status)), **more)


CASES = [
    (KNOWN, told(PENDING), Road.EVENT, Verdict.NOTHING),
    (KNOWN, told(PENDING, raw="requires_action"), Road.EVENT, Verdict.LEARN),
    (KNOWN, told(PENDING, amount=Decimal(20)), Road.LIST, Verdict.LEARN),
    (replace(KNOWN, tracked=True), told(PENDING, amount=Decimal(20)), Road.EVENT, Verdict.NOTHING),
    (KNOWN, told(PENDING), Road.ANSWER, Verdict.LEARN),
    (KNOWN, told(SUCCEEDED), Road.EVENT, Verdict.END),
    (KNOWN, told(SUCCEEDED), Road.ANSWER, Verdict.END),
    (KNOWN, told(SUCCEEDED), Road.LIST, Verdict.ASK),
    (KNOWN, told(SUCCEEDED, amount=Decimal("19.9"), currency="eur"), Road.ANSWER, Verdict.END),
    (KNOWN, told(SUCCEEDED, amount=Decimal("19.91")), Road.ANSWER, Verdict.CONTRADICT),
    (KNOWN, told(SUCCEEDED, currency="USD"), Road.EVENT, Verdict.CONTRADICT),
    (replace(KNOWN, amount=None), told(SUCCEEDED, amount=Decimal(1)), Road.ANSWER, Verdict.END),
    (replace(KNOWN, state=State.UNRESOLVED), told(SUCCEEDED), Road.EVENT, Verdict.END),
    (replace(KNOWN, state=State.UNRESOLVED), told(SUCCEEDED), Road.LIST, Verdict.ASK),
    (replace(KNOWN, state=State.MISMATCH), told(SUCCEEDED), Road.LIST, Verdict.NOTHING),
    (replace(KNOWN, state=State.MISMATCH), told(SUCCEEDED), Road.EVENT, Verdict.END),
    (replace(KNOWN, state=State.RESOLVED), told(PENDING, raw="x"), Road.EVENT, Verdict.NOTHING),
    (replace(KNOWN, state=State.RESOLVED), told(SUCCEEDED, amount=Decimal(7)), Road.EVENT, Verdict.END),
    (PAID, told(SUCCEEDED), Road.EVENT, Verdict.NOTHING),
    (PAID, told(FAILED), Road.ANSWER, Verdict.NOTHING),
    (PAID, told(FAILED), Road.LIST, Verdict.CONTRADICT),
    (PAID, told(FAILED, changed_at=minutes(11)), Road.EVENT, Verdict.CONTRADICT),
    (PAID, told(FAILED, changed_at=minutes(9)), Road.EVENT, Verdict.NOTHING),
    (PAID, told(PENDING), Road.EVENT, Verdict.NOTHING),
    (PAID, told(PENDING, changed_at=minutes(9)), Road.EVENT, Verdict.NOTHING),
    (PAID, told(PENDING, changed_at=minutes(11)), Road.EVENT, Verdict.CONTRADICT),
    (PAID, told(REFUNDED, changed_at=minutes(11)), Road.EVENT, Verdict.END),
    (replace(PAID, state=State.MISMATCH), told(REFUNDED, changed_at=minutes(11)), Road.EVENT, Verdict.NOTHING),
    # Two ends within one second: nobody knows which came first, but a refund comes after what it refunds.
    (PAID, told(FAILED, changed_at=minutes(10)), Road.EVENT, Verdict.CONTRADICT),
    (PAID, told(PENDING, changed_at=minutes(10)), Road.EVENT, Verdict.NOTHING),
    (PAID, told(REFUNDED, changed_at=minutes(10)), Road.EVENT, Verdict.END),
    (replace(PAID, status=REFUNDED), told(SUCCEEDED, changed_at=minutes(10)), Road.EVENT, Verdict.NOTHING),
]


@pytest.mark.parametrize(("known", "reported", "road", "verdict"), CASES)
def test_what_a_report_means(known, reported, road, verdict):
    """P1, P2, P4: one case a line."""
    assert decide(known, reported, road).verdict is verdict


statuses = st.sampled_from(TransactionStatus)
amounts = st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=3)
moments = st.none() | st.integers(0, 20).map(minutes)
reports = st.builds(
    Reported, subject=st.just(SUBJECT), status=statuses, raw=st.sampled_from(["", "pending", "odd"]), amount=amounts,
    currency=st.sampled_from(["", "EUR", "usd"]), at=moments, changed_at=moments,
)  # fmt: skip
rows = st.builds(
    replace, st.just(KNOWN), state=st.sampled_from(State), status=statuses, amount=amounts, changed_at=moments,
    tracked=st.booleans(),
)  # fmt: skip


@given(rows, reports)
def test_an_answer_never_changes_an_end(known, reported):
    """P1: whatever a poll says about what has ended, nothing comes of it."""
    if known.status.terminal:
        assert decide(known, reported, Road.ANSWER).verdict is Verdict.NOTHING


@given(rows, reports, st.sampled_from(Road))
def test_nothing_but_an_end_ends(known, reported, road):
    """P2: what is not terminal ends nothing; and it agrees to the last digit (P4), unless a person settled it."""
    verdict = decide(known, reported, road).verdict
    if verdict is Verdict.END:
        assert reported.status.terminal
        both = known.amount is not None and reported.amount is not None
        if both and not known.status.terminal and known.state is not State.RESOLVED:
            assert known.amount == reported.amount


@given(rows, reports, st.sampled_from(Road))
def test_a_contradiction_says_why(known, reported, road):
    """Only a contradiction has a reason, and it always has one."""
    decision = decide(known, reported, road)
    assert bool(decision.reason) == (decision.verdict is Verdict.CONTRADICT)


def test_the_ladder_is_five_rungs():
    """5m → 30m → 1h → 3h → 24h; what came off it is never due."""
    assert [rung.total_seconds() / 60 for rung in LADDER] == [5, 30, 60, 180, 1440]
    assert KNOWN.due_at(LADDER) == NOON + timedelta(minutes=5)
    assert replace(KNOWN, attempts=4).due_at(LADDER) == NOON + timedelta(hours=24)
    assert replace(KNOWN, attempts=9).due_at(LADDER) == NOON
    assert PAID.due_at(LADDER) is None
