"""What may still be handled, and what nothing explains: on every engine."""

from __future__ import annotations

from datetime import timedelta

from support.claiming import take
from support.rows import add_event

from reconcile.ledger import waiting
from reconcile.model import EventState


def test_what_may_still_be_handled_is_due(ledger, add):
    """What may still be handled counts: not what is held, comes later, or waits behind what comes later."""
    with ledger.write() as tx:
        now = tx.now
        nothing = waiting.due(tx, "shop", now)
        add_event(tx, next_at=now + timedelta(seconds=10), subject_id="1")
        add_event(tx, subject_id="1")
        add_event(tx, next_at=now + timedelta(hours=1), subject_id="2")
        add_event(tx, subject_id="2")
        add_event(tx, state=EventState.HELD, subject_id="3")
        until = now + timedelta(minutes=1)
        assert waiting.due(tx, "shop", until) == (2, now + timedelta(seconds=10))
        assert waiting.due(tx, "shop", now) == (0, None)
    assert nothing == (0, None)


def test_due_counts_what_others_have_claimed(ledger, add):
    """A claim may come back at any moment, so it is looked at again soon."""
    add({})
    take(ledger)
    with ledger.read() as tx:
        assert waiting.due(tx, "shop", tx.now) == (1, tx.now + waiting.LOOK_AGAIN)


def test_what_waits_for_no_reason_is_unhandled(ledger, add):
    """Explained by nothing: due, free, and yet waiting; not what a retry, a claim, a hold or its subject explains."""
    with ledger.write() as tx:
        later = tx.now + timedelta(hours=1)
    forgotten, *_ = add(
        {"subject_id": "1"},
        {"subject_id": "1"},
        {"subject_id": "2", "next_at": later},
        {"subject_id": "3", "state": EventState.CLAIMED},
        {"subject_id": "4", "state": EventState.HELD},
    )
    with ledger.read() as tx:
        assert [row.seq for row in waiting.unhandled(tx, "shop")] == [forgotten]
