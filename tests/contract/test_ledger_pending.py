"""Transactions in the ledger, on every engine: what is due, whose claim counts, what two runners at once come to."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from support.ledgers import elsewhere, ended_process, later
from support.telling import Odd, a_source

from reconcile.ledger import gaps, incidents, subjects, transactions
from reconcile.ledger.process import owner_name
from reconcile.ledger.transactions import CLAIM_LIFE, Chosen
from reconcile.model import EPOCH, GapKind, IncidentKind, Reported, Subject, TransactionStatus, micros
from reconcile.transactions import hearing, settling, telling
from reconcile.transactions.decide import Road
from reconcile.transactions.transaction import State

LADDER = (timedelta(minutes=5), timedelta(minutes=30))
SUBJECT = Subject("payment", "p_1")


def pending(number: int, at=None, **more) -> Reported:
    return Reported(Subject("payment", f"p_{number}"), TransactionStatus.PENDING, "pending", at=at, **more)


def ended(number: int, status=TransactionStatus.SUCCEEDED, **more) -> Reported:
    return Reported(Subject("payment", f"p_{number}"), status, str(status), **more)


def hear(tx, *reports, road=Road.EVENT):
    hearing.hear(tx, "gate", reports, road)


def due(tx, seconds=0.0):
    by = tx.now + timedelta(seconds=seconds)
    return [one.subject.id for one in transactions.due(tx, "gate", LADDER, by, 10)]


def get(tx, subject=SUBJECT):
    return transactions.known(tx, "gate", [subject]).get(subject)


def test_a_report_is_kept_as_it_was_told(ledger):
    """What is pending is entered with its money to the last digit; what has ended already is not followed."""
    with ledger.write() as tx:
        began = tx.now - timedelta(hours=1)
        hear(tx, pending(1, began, amount=Decimal("19.990"), currency="EUR"), ended(2))
        one = get(tx)
        assert (one.state, one.status, one.raw) == (State.PENDING, TransactionStatus.PENDING, "pending")
        assert (str(one.amount), one.currency, one.at, one.since) == ("19.990", "EUR", began, began)
        assert get(tx, Subject("payment", "p_2")) is None


@pytest.mark.parametrize("road", [Road.EVENT, Road.LIST])
def test_an_end_that_may_not_last_is_kept_though_nobody_waited_for_it(ledger, road):
    """P1: never pending here, ended, and taken back by its provider: a person is told; older news tells nothing."""
    with ledger.write() as tx:
        now = tx.now
        paid = ended(1, revocable=True, changed_at=now, amount=Decimal(7))
        assert hearing.news(tx, "gate", [paid]) == [paid]
        hear(tx, paid, road=road)
        one = get(tx)
        assert (one.state, one.status, one.amount) == (State.SETTLED, TransactionStatus.SUCCEEDED, Decimal(7))
        assert due(tx, 10**9) == []
        assert hearing.news(tx, "gate", [paid]) == []
        failed = ended(1, TransactionStatus.FAILED, revocable=True)
        hear(tx, replace(failed, changed_at=now - timedelta(days=1)), road=road)
        assert get(tx).state is State.SETTLED
        hear(tx, replace(failed, changed_at=now + timedelta(days=1)), road=road)
        assert (get(tx).state, get(tx).status) == (State.MISMATCH, TransactionStatus.SUCCEEDED)
        assert [gap.kind for gap in gaps.find(tx)] == [GapKind.STATUS_MISMATCH]


def test_an_end_older_than_news_whose_row_is_gone_is_asked_about(ledger):
    """P1: paid, found after the row that knew it as failed was purged, is no end; told with what came after, it is."""
    with ledger.write() as tx:
        now = tx.now
        subjects.raise_versions(tx, "gate", [(SUBJECT, micros(now)), (Subject("payment", "p_2"), micros(now))])
        paid = ended(1, revocable=True, changed_at=now - timedelta(hours=1))
        hear(tx, paid)
        assert (get(tx).state, get(tx).status) == (State.PENDING, TransactionStatus.PENDING)
        assert due(tx) == ["p_1"]
        failed = ended(2, TransactionStatus.FAILED, revocable=True, changed_at=now)
        hear(tx, replace(paid, subject=failed.subject), failed)
        assert get(tx, failed.subject).state is State.MISMATCH


def test_an_end_that_is_taken_back_comes_before_a_person_again(ledger):
    """P1: settled by hand, then one page tells that it was paid and that it failed: a person looks at it again."""
    with ledger.write() as tx:
        hear(tx, pending(1))
        transactions.change(tx, get(tx), state=State.RESOLVED)
        paid = ended(1, revocable=True, changed_at=tx.now - timedelta(hours=1))
        hear(tx, paid, ended(1, TransactionStatus.FAILED, revocable=True, changed_at=tx.now))
        assert (get(tx).state, get(tx).status) == (State.MISMATCH, TransactionStatus.SUCCEEDED)
        assert [gap.kind for gap in gaps.find(tx)] == [GapKind.STATUS_MISMATCH]


def test_due_follows_the_ladder(ledger):
    """P3: the first rung counts from its own time, each next one from the last asking; no time to come is believed."""
    with ledger.write() as tx:
        hear(tx, pending(1, tx.now), pending(2, tx.now - timedelta(minutes=4)), pending(3, tx.now + timedelta(days=9)))
        assert due(tx) == []
        assert due(tx, 60) == ["p_2"]
        assert sorted(due(tx, 300)) == ["p_1", "p_2", "p_3"]
        transactions.change(tx, get(tx), attempts=1, since=tx.now)
        assert sorted(due(tx, 301)) == ["p_2", "p_3"]
        assert "p_1" in due(tx, 1800)


def test_a_shortened_ladder_leaves_none_behind(ledger):
    """P3: what was asked more often than the ladder has rungs now is due for a last time."""
    with ledger.write() as tx:
        hear(tx, pending(1))
        transactions.change(tx, get(tx), attempts=7, since=tx.now)
        assert due(tx) == ["p_1"]


def test_what_is_claimed_is_nobody_elses_until_the_claim_ends(ledger):
    """H1: a claimed row is not claimed again while its claim lives, and after it by a higher fence."""
    with ledger.write() as tx:
        hear(tx, pending(1, EPOCH))
        (mine,) = transactions.claim(tx, "gate", LADDER, "me", tx.now, 5)
        assert transactions.claim(tx, "gate", LADDER, "you", tx.now, 5) == []
        late = later(tx, CLAIM_LIFE.total_seconds() + 1)
        (yours,) = transactions.claim(late, "gate", LADDER, "you", late.now, 5)
        assert yours.claim == mine.claim + 1
        assert transactions.claimed(tx, "gate", "me", [mine]) == {}
        assert transactions.claimed(tx, "gate", "you", [replace(yours, claim=mine.claim)]) == {}
        assert transactions.claimed(tx, "gate", "you", [yours], wait=False)[SUBJECT].claim == yours.claim


def test_a_claim_on_what_ended_meanwhile_is_void(ledger):
    """P1: read again under lock, a row that came off the ladder is not ours to change."""
    with ledger.write() as tx:
        hear(tx, pending(1, EPOCH))
        (mine,) = transactions.claim(tx, "gate", LADDER, "me", tx.now, 5)
        hear(tx, ended(1))
        assert transactions.claimed(tx, "gate", "me", [mine]) == {}


def test_the_claims_of_a_process_that_is_gone_are_given_back(ledger):
    """A runner that was killed on this machine holds nothing up; one of another machine is given its time."""
    gone, far = owner_name(ended_process().name), owner_name(elsewhere().name)
    with ledger.write() as tx:
        hear(tx, pending(1, EPOCH), pending(2, EPOCH))
        for owner in (gone, far):
            transactions.claim(tx, "gate", LADDER, owner, tx.now, 1)
        assert sorted(transactions.owners(tx, "gate")) == sorted([gone, far])
        assert transactions.unclaim(tx, "gate", [gone]) == 1
        assert len(due(tx)) == 1


def test_two_runners_at_once_share_what_is_due(ledger):
    """H1: whatever the interleaving, each due row is claimed by exactly one of them."""
    with ledger.write() as tx:
        hear(tx, *(pending(number, EPOCH) for number in range(60)))
    taken, barrier, failed = [], threading.Barrier(4), []

    def runner(owner):
        try:
            barrier.wait()
            while True:
                with ledger.write() as tx:
                    batch = transactions.claim(tx, "gate", LADDER, owner, tx.now, 7)
                if not batch:
                    return
                taken.extend(one.subject.id for one in batch)
        except BaseException as error:  # noqa: BLE001 - reported below
            failed.append(error)

    threads = [threading.Thread(target=runner, args=(f"runner {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(taken) == sorted(f"p_{number}" for number in range(60))


def test_an_end_closes_what_people_were_told(ledger):
    """P3, A4: the end of what was given up closes its incident; its relapse would be another episode."""
    with ledger.write() as tx:
        hear(tx, pending(1))
        hearing.give_up(tx, [replace(get(tx), attempts=2, answer="its provider does not know it")])
        assert get(tx).state is State.UNRESOLVED
        hear(tx, ended(1))
        assert (get(tx).state, get(tx).status) == (State.SETTLED, TransactionStatus.SUCCEEDED)
        assert not incidents.close(tx, source="gate", kind=IncidentKind.UNRESOLVED, key=str(SUBJECT), note="x")


def test_refunded_after_it_succeeded_is_the_course_of_things(ledger):
    """P1: succeeded → refunded is taken over; refunded → succeeded is a contradiction."""
    with ledger.write() as tx:
        hear(tx, pending(1))
        hear(tx, ended(1))
        hear(tx, ended(1, TransactionStatus.REFUNDED))
        assert (get(tx).state, get(tx).status) == (State.SETTLED, TransactionStatus.REFUNDED)
        hear(tx, ended(1))
        assert (get(tx).state, get(tx).status) == (State.MISMATCH, TransactionStatus.REFUNDED)
        assert gaps.count(tx) == {("gate", GapKind.STATUS_MISMATCH): 1}


def test_settled_by_hand_stays_so_until_it_is_reopened(ledger):
    """A person's word closes gap and incident; a later end is noted; reopening begins the ladder anew, at once."""
    with ledger.write() as tx:
        hear(tx, pending(1, amount=Decimal(5)))
        hear(tx, ended(1, amount=Decimal(6)))
        assert get(tx).state is State.MISMATCH
        settling.resolve(tx, get(tx), "paid in cash")
        assert (get(tx).state, get(tx).note) == (State.RESOLVED, "paid in cash")
        assert gaps.count(tx) == {}
        hear(tx, ended(1, amount=Decimal(6)))
        assert (get(tx).state, get(tx).status) == (State.RESOLVED, TransactionStatus.SUCCEEDED)
        assert settling.reopen(tx, get(tx))
        assert (get(tx).state, get(tx).status, get(tx).attempts) == (State.PENDING, TransactionStatus.PENDING, 0)
        assert due(tx) == ["p_1"]
        assert not settling.reopen(tx, get(tx))


def test_a_hand_that_was_slower_than_an_end_takes_nothing_back(ledger):
    """P1: what ended between a person's look and word stays ended: it is neither asked about again nor overwritten."""
    with ledger.write() as tx:
        hear(tx, pending(1), pending(2))
        seen = [get(tx), get(tx, Subject("payment", "p_2"))]
        hear(tx, ended(1), ended(2))
        assert settling.ask_now(tx, seen) == 0
        assert get(tx).state is State.SETTLED
        settling.resolve(tx, seen[1], "paid in cash")
        two = get(tx, seen[1].subject)
        assert (two.state, two.status, two.note) == (State.RESOLVED, TransactionStatus.SUCCEEDED, "paid in cash")


def test_tracking_is_idempotent_and_its_amount_counts(ledger):
    """P4: an app may name its transaction before or after an event does; what it expects outlasts what events say."""
    with ledger.write() as tx:
        assert hearing.track(tx, "gate", SUBJECT, amount="5.00", currency="EUR")
        assert not hearing.track(tx, "gate", SUBJECT, amount="5.00", currency="EUR")
        hear(tx, pending(1, amount=Decimal("7.00"), currency="USD"))
        assert (get(tx).amount, get(tx).currency, get(tx).raw) == (Decimal("5.00"), "EUR", "pending")
        hear(tx, pending(2, amount=Decimal("7.00")))
        other = Subject("payment", "p_2")
        assert not hearing.track(tx, "gate", other, amount="8.00")
        assert get(tx, other).amount == Decimal("8.00")


def test_an_amount_named_after_the_end_is_compared_with_it(ledger):
    """P4: a webhook may be faster than the app; what the app expects is compared all the same."""
    with ledger.write() as tx:
        hear(tx, pending(1), ended(1, amount=Decimal("7.00"), currency="EUR"))
        assert not hearing.track(tx, "gate", SUBJECT, amount="7", currency="eur")
        assert get(tx).state is State.SETTLED
        assert not hearing.track(tx, "gate", SUBJECT, amount="5.00")
        assert (get(tx).state, get(tx).status) == (State.MISMATCH, TransactionStatus.SUCCEEDED)
        assert get(tx).answer == "it ended as succeeded, but over 7.00 instead of 5.00"
        assert gaps.count(tx) == {("gate", GapKind.STATUS_MISMATCH): 1}
        settling.resolve(tx, get(tx), "paid back")
        hearing.track(tx, "gate", SUBJECT, amount="5.00")
        assert get(tx).state is State.RESOLVED


def test_an_amount_that_events_told_follows_them_until_the_end(ledger):
    """P4: until it ends the newest event counts, which the handler was given as well; then it is compared."""
    with ledger.write() as tx:
        hear(tx, pending(1, amount=Decimal(5)))
        hear(tx, pending(1, amount=Decimal(6)))
        assert get(tx).amount == Decimal(6)
        hear(tx, ended(1, amount=Decimal("6.00")))
        assert get(tx).state is State.SETTLED


def test_a_list_shows_news_only(ledger):
    """A page that shows what is known already writes nothing; one that shows an end has it asked about at once."""
    with ledger.write() as tx:
        hear(tx, pending(1))
    with ledger.read() as tx:
        assert hearing.news(tx, "gate", [pending(1), ended(2)]) == []
        assert hearing.news(tx, "gate", [ended(1), pending(3)]) == [ended(1), pending(3)]
    with ledger.write() as tx:
        hear(tx, ended(1), road=Road.LIST)
        assert (get(tx).state, due(tx)) == (State.PENDING, ["p_1"])


def test_found_and_counted(ledger):
    """Listing finds by source, state, type and id; a source's names never mix with another's."""
    with ledger.write() as tx:
        hear(tx, pending(1), pending(2))
        hearing.hear(tx, "other", [pending(1)], Road.EVENT)
        hear(tx, ended(2))
    with ledger.read() as tx:
        assert transactions.count(tx, Chosen()) == 3
        assert transactions.count(tx, Chosen("gate")) == 2
        assert transactions.counts(tx, ["gate"], list(State)) == {State.PENDING: 1, State.SETTLED: 1}
        assert [one.source for one in transactions.find(tx, Chosen(id="p_1"), 10)] == ["gate", "other"]
        assert transactions.find(tx, Chosen("gate", (State.SETTLED,)), 10)[0].subject.id == "p_2"


@pytest.mark.parametrize("text", ["nul\0", "lone \ud83d", "x" * 600])
def test_odd_text_is_kept_out(ledger, text):
    """P2: what an engine would refuse never reaches it: cleaned, or left alone where it cannot be."""
    source = a_source()
    reports = telling.told(source, Odd(text), "payment.pending", b"{}")
    with ledger.write() as tx:
        hear(tx, *reports)
    with ledger.read() as tx:
        assert transactions.count(tx, Chosen()) == (0 if len(text) > 512 else 1)
