"""Claims that go on, and what becomes of those that are abandoned: on every engine."""

from __future__ import annotations

from datetime import timedelta

from support.claiming import ME, OTHER, RETRY, seqs, take
from support.rows import change, event, outcomes, states

from reconcile.ledger import abandoned, gaps
from reconcile.ledger.process import Holder, owner_gone, owner_name
from reconcile.model import EventState, GapKind


def sweep(ledger, gone=lambda _owner: False):
    with ledger.write() as tx:
        return abandoned.sweep(tx, "shop", RETRY, gone)


def test_claims_are_renewed_and_those_taken_over_are_named(ledger, add):
    """A claim is prolonged also after it ran out; one that was taken over is named (L1)."""
    kept, taken, done, stranger = add(*[{"subject_id": str(n)} for n in range(4)])
    take(ledger)
    with ledger.write() as tx:
        past = tx.now - timedelta(seconds=1)
    change(ledger, kept, claim_until=past)
    change(ledger, taken, claim_owner=OTHER, claim_fence=2)
    change(ledger, done, state=EventState.HANDLED)
    with ledger.write() as tx:
        assert abandoned.renew(tx, ME, {kept: 1, taken: 1, done: 1}) == {taken}
        assert abandoned.renew(tx, ME, {}) == set()
    assert event(ledger, kept).claim_until > past + timedelta(seconds=20)
    assert event(ledger, taken).claim_until < event(ledger, kept).claim_until
    assert event(ledger, stranger).claim_until < event(ledger, kept).claim_until


def test_sweep_leaves_living_claims(ledger, add):
    """A claim that has not run out and whose owner may live stays."""
    (seq,) = add({})
    take(ledger)
    assert sweep(ledger) == 0
    assert states(ledger, seq) == [EventState.CLAIMED]


def test_sweep_puts_back_what_ran_out_and_what_died(ledger, add):
    """L3: claims that ran out, and those of a process that is gone, wait again at once, to be claimed alone."""
    expired, orphan, living = add(*[{"subject_id": str(n)} for n in range(3)])
    take(ledger)
    with ledger.write() as tx:
        past = tx.now - timedelta(seconds=1)
    change(ledger, expired, claim_until=past)
    change(ledger, orphan, claim_owner=OTHER)
    assert sweep(ledger, gone=OTHER.__eq__) == 2
    assert states(ledger, expired, orphan, living) == [EventState.WAITING, EventState.WAITING, EventState.CLAIMED]
    row = event(ledger, expired)
    assert (row.takeovers, row.attempts, row.claim_owner, row.claim_until) == (1, 0, "", None)
    assert outcomes(ledger, expired) == ["unknown"]


def test_sweep_counts_an_attempt_only_when_the_event_was_alone(ledger, add):
    """H8: whoever dies with many events in hand blames none of them; with one, or one abandoned before, that one."""
    innocent, other = add({"subject_id": "1"}, {"subject_id": "2"})
    take(ledger)
    sweep(ledger, gone=ME.__eq__)
    assert [event(ledger, seq).attempts for seq in (innocent, other)] == [0, 0]
    assert seqs(take(ledger)) == [innocent]
    sweep(ledger, gone=ME.__eq__)
    row = event(ledger, innocent)
    assert (row.attempts, row.takeovers) == (1, 2)
    assert row.next_at > row.recorded_at + timedelta(seconds=5)


def test_sweep_lets_a_poison_event_die(ledger, add):
    """H8: an event that takes its process along each time is dead after the last retry, with a gap."""
    (seq,) = add({})
    for _ in range(len(RETRY) + 1):
        assert seqs(take(ledger)) == [seq]
        assert sweep(ledger, gone=ME.__eq__) == 1
        if event(ledger, seq).state == EventState.WAITING:
            change(ledger, seq, next_at=event(ledger, seq).recorded_at)
    assert states(ledger, seq) == [EventState.DEAD]
    with ledger.read() as tx:
        (gap,) = gaps.find(tx, source="shop")
    assert (gap.kind, gap.key, gap.seq) == (GapKind.DEAD, event(ledger, seq).id, seq)


def test_abandoned_event_is_claimed_alone(ledger, add):
    """An event whose claim was abandoned waits until its owner holds nothing, and then nothing joins it."""
    before, suspect, after = add({"subject_id": "1"}, {"subject_id": "2", "takeovers": 1}, {"subject_id": "3"})
    assert seqs(take(ledger)) == [before]
    assert seqs(take(ledger)) == []
    change(ledger, before, state=EventState.HANDLED, claim_owner="")
    assert seqs(take(ledger)) == [suspect]
    assert seqs(take(ledger)) == []
    assert seqs(take(ledger, owner=OTHER)) == [after]


def test_owner_of_a_process_that_is_gone():
    """The text of a claim tells whether its process has ended; of what it cannot read it says nothing."""
    me = Holder.me()
    assert not owner_gone(owner_name(me.name))
    assert owner_gone(f"{me.name}:{me.process_started}1")
    assert not owner_gone("nonsense")
