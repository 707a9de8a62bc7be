"""Which event may be handled now, and by whom: on every engine."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.claiming import ME, seqs, take
from support.rows import add_event, event, outcomes, states

from reconcile.dispatch.events import job_of
from reconcile.ledger import claims, gaps, queue
from reconcile.model import EventState, GapKind, Occurrence


def test_claims_in_order_one_per_subject(ledger, add):
    """The oldest due event of each subject is claimed, in order, and no second one of a subject (H1)."""
    late, first, second, other = add(
        {"position": 30, "subject_id": "3"}, {"position": 10}, {"position": 20}, {"position": 15, "subject_id": "2"}
    )
    assert seqs(take(ledger)) == [first, other, late]
    assert seqs(take(ledger)) == []
    assert states(ledger, second) == [EventState.WAITING]


def test_claim_returns_the_row_as_it_is_now(ledger, add):
    """An event comes back with what it carries, its owner and its raised fencing number; the claim ends later (H1)."""
    (seq,) = add({"body": b"\x00\xff", "headers": b'{"a": "b"}'})
    (row,) = take(ledger).rows
    assert (row.seq, row.claim_owner, row.claim_fence, row.state) == (seq, ME, 1, EventState.CLAIMED)
    assert (bytes(row.body), bytes(row.headers)) == (b"\x00\xff", b'{"a": "b"}')
    now = event(ledger, seq)
    assert (now.claim_owner, now.claim_fence, now.state) == (ME, 1, EventState.CLAIMED)
    assert now.claim_until >= now.recorded_at + claims.CLAIM_LIFE


def test_claims_what_carries_nothing(ledger, add):
    """An event whose contents are kept no longer, or that never had any, may be claimed like any other."""
    (seq,) = add({"body": b"", "headers": b"{}"})
    (row,) = take(ledger).rows
    assert (row.seq, row.body, row.headers) == (seq, None, None)
    job = job_of(row)
    assert (job.event.body, job.event.data, dict(job.event.headers)) == (b"", None, {})


def test_without_a_subject_nothing_is_held_back(ledger, add):
    """Events whose subject is unknown do not wait for each other."""
    found = add(*[{"subject_type": "", "subject_id": ""}] * 3)
    assert seqs(take(ledger)) == found


def test_no_more_than_the_limit_is_claimed(ledger, add):
    """No more than asked for are claimed."""
    found = add(*[{"subject_id": str(n)} for n in range(5)])
    assert seqs(take(ledger, 2)) == found[:2]


def test_not_before_its_time(ledger, add):
    """An event that waits for its retry is not claimed, nor one that comes due after `before`."""
    with ledger.write() as tx:
        now = tx.now
        soon = add_event(tx, next_at=now + timedelta(hours=1))
        past = add_event(tx, next_at=now - timedelta(seconds=5), subject_id="2")
        due = add_event(tx, next_at=now, subject_id="3")
    assert seqs(take(ledger, before=now - timedelta(seconds=1))) == [past]
    assert seqs(take(ledger)) == [due]
    assert states(ledger, soon) == [EventState.WAITING]


@pytest.mark.parametrize("state", [EventState.HELD, EventState.DEAD, EventState.HANDLED, EventState.SUPERSEDED])
def test_what_never_holds_its_subject(ledger, add, state):
    """A held event never holds its subject, nor does one that is dead or done."""
    _, later = add({"state": state}, {"topic": "orders/paid", "version": None})
    assert seqs(take(ledger)) == [later]


@pytest.mark.parametrize(("made", "passes"), [(0, False), (2, False), (3, True)])
def test_failing_event_holds_its_subject_for_three_attempts(ledger, add, made, passes):
    """An event waiting for a retry holds later ones of its subject until its third attempt has failed."""
    with ledger.write() as tx:
        add_event(tx, attempts=made, next_at=tx.now + timedelta(hours=1))
    (later,) = add({})
    assert seqs(take(ledger)) == ([later] if passes else [])


def test_passed_and_passing_event_both_due(ledger, add):
    """When both are due, the older goes first, and the newer not at the same time."""
    old, _new = add({"attempts": 3}, {})
    assert seqs(take(ledger)) == [old]
    assert seqs(take(ledger)) == []


def test_late_is_said_and_kept(ledger, add):
    """An event that a newer one of its subject passed is delivered and marked late."""
    passed, _, on_time = add(
        {"topic": "orders/create", "kind": Occurrence.ONCE},
        {"state": EventState.HANDLED},
        {"subject_id": "2"},
    )
    rows = {row.seq: row for row in take(ledger).rows}
    assert (rows[passed].late, rows[on_time].late, event(ledger, passed).late) == (1, 0, 1)


REBUILT = {"reconstructed": 1, "kind": Occurrence.STATE}


@pytest.mark.parametrize(
    ("older", "newer", "skip_late", "superseded"),
    [
        pytest.param(REBUILT, {}, False, True, id="rebuilt state"),
        pytest.param(REBUILT, {"topic": "orders/paid"}, False, False, id="another topic"),
        pytest.param(REBUILT, {"subject_id": "2"}, False, False, id="another subject"),
        pytest.param(REBUILT, {"state": EventState.DEAD}, False, False, id="newer is dead"),
        pytest.param(REBUILT, {"version": 5}, False, False, id="same version"),
        pytest.param(REBUILT | {"kind": Occurrence.ONCE}, {}, False, False, id="rebuilt once"),
        pytest.param({}, {}, False, False, id="live"),
        pytest.param({}, {}, True, True, id="live, late: skip"),
        pytest.param({"kind": Occurrence.DATED}, {}, True, False, id="dated, late: skip"),
    ],
)
def test_a_rebuilt_state_that_a_newer_one_overtook_is_superseded(ledger, add, older, newer, skip_late, superseded):
    """H5: a rebuilt state is skipped once a newer version of its subject and topic was handled; a logged or live event
    only where the source says `late: skip`, and a dated fact never.
    """
    old, _ = add({"version": 5} | older, {"version": 6, "state": EventState.HANDLED} | newer)
    claimed = take(ledger, skip_late=skip_late)
    assert (claimed.superseded, old in seqs(claimed)) == (int(superseded), not superseded)
    assert states(ledger, old) == [EventState.SUPERSEDED if superseded else EventState.CLAIMED]
    assert outcomes(ledger, old) == (["superseded"] if superseded else [])


def test_superseded_closes_its_gap(ledger, add):
    """What was wrong with an event is no more once it is superseded."""
    old, _ = add(REBUILT | {"version": 5}, {"version": 6, "state": EventState.HANDLED})
    with ledger.write() as tx:
        gaps.open_(tx, "shop", GapKind.UNHANDLED, "x", reason="r", seq=old)
    take(ledger)
    with ledger.read() as tx:
        assert gaps.find(tx, source="shop") == []


def test_only_its_own_source(ledger, add):
    """Claiming for one source leaves the others alone, equal subjects included."""
    _, other = add({}, {"source": "payments"})
    take(ledger)
    assert states(ledger, other) == [EventState.WAITING]
    with ledger.write() as tx:
        assert seqs(claims.claim(tx, "payments", ME, 5)) == [other]


def test_two_dispatchers_never_share_a_subject(ledger, add):
    """H1: dispatchers claiming at the same time never take one event twice, nor two events of one subject."""
    add(*[{"subject_id": str(n % 7), "position": n} for n in range(70)])
    taken, together = [], threading.Barrier(4)

    def work(owner):
        together.wait()
        for _ in range(4):
            taken.extend((row.subject_id, row.seq) for row in take(ledger, 2, owner).rows)

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == len({subject for subject, _ in taken}) == 7


@pytest.mark.parametrize("statement", [queue.waiting_sql, queue.claimed_sql])
def test_reads_the_small_index_of_open_events(ledger, statement):
    """The queue is read through the partial index of open events, however many were handled, and never sorted."""
    plan = explain(ledger, statement(ledger.dialect), source="shop")
    assert "ix_reconcile_event_open" in plan
    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()


def test_asks_about_a_subject_through_its_index(ledger):
    """What was handled of a subject is found through the subject's index."""
    with ledger.write() as tx:
        for number in range(300):
            add_event(tx, subject_id=str(number), state=EventState.HANDLED)
        tx.connection.execute(text("analyze reconcile_event"))
    plan = explain(ledger, claims.flags_sql(ledger.dialect).replace(":seqs", "(1, 2)"))
    assert plan.count("ix_reconcile_event_subject") == 2
    assert "ix_reconcile_event_open" not in plan


def explain(ledger, statement, **bound):
    prefix = "explain query plan " if ledger.dialect == "sqlite" else "explain "
    with ledger.write() as tx:
        if ledger.dialect == "postgresql":  # so few rows are read faster without any index
            tx.connection.execute(text("set local enable_seqscan = off"))
        return "\n".join(str(row) for row in tx.connection.execute(text(prefix + statement), bound))
