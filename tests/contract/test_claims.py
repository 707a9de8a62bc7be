"""Which event may be handled now, by whom, and what becomes of claims that are abandoned: on every engine."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from support.rows import add_event, change, event, outcomes, states

from reconcile.errors import LeaseLost
from reconcile.ledger import claims, gaps, marks, queue
from reconcile.ledger.marks import Call
from reconcile.ledger.process import Holder
from reconcile.ledger.tables import attempts
from reconcile.model import EventState, GapKind, Occurrence

ME = claims.owner_name(Holder.me().name)
OTHER = "elsewhere:1:abcd:boot/1"
RETRY = (timedelta(seconds=10), timedelta(minutes=1))


@pytest.fixture
def add(ledger):
    """Insert events in one commit; their seqs."""

    def add_all(*rows):
        with ledger.write() as tx:
            return [add_event(tx, **row) for row in rows]

    return add_all


def take(ledger, limit=10, owner=ME, **options):
    with ledger.write() as tx:
        return claims.claim(tx, "shop", owner, limit, **options)


def seqs(claimed):
    return [row.seq for row in claimed.rows]


def call(tx, row, number=1, error=""):
    return Call(row, number, tx.now, tx.now, error)


def sweep(ledger, gone=lambda _owner: False):
    with ledger.write() as tx:
        return claims.sweep(tx, "shop", RETRY, gone)


def test_claims_in_order_one_per_subject(ledger, add):
    """The oldest due event of each subject is claimed, in order, and no second one of a subject (H1)."""
    late, first, second, other = add(
        {"position": 30, "subject_id": "3"}, {"position": 10}, {"position": 20}, {"position": 15, "subject_id": "2"}
    )
    assert seqs(take(ledger)) == [first, other, late]
    assert seqs(take(ledger)) == []
    assert states(ledger, second) == [EventState.WAITING]


def test_claim_returns_the_row_as_it_is_now(ledger, add):
    """A claimed row comes back whole, with its owner, its raised fencing number and an end 30 s away (H1)."""
    (seq,) = add({"body": b"\x00\xff", "headers": b'{"a": "b"}'})
    (row,) = take(ledger).rows
    assert (row.seq, row.claim_owner, row.claim_fence, row.state) == (seq, ME, 1, EventState.CLAIMED)
    assert (bytes(row.body), bytes(row.headers)) == (b"\x00\xff", b'{"a": "b"}')
    assert row.claim_until == event(ledger, seq).claim_until > row.recorded_at


def test_without_a_subject_nothing_is_held_back(ledger, add):
    """Events whose subject is unknown do not wait for each other."""
    found = add(*[{"subject_type": "", "subject_id": ""}] * 3)
    assert seqs(take(ledger)) == found


def test_limit(ledger, add):
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
def test_superseded(ledger, add, older, newer, skip_late, superseded):
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


def test_renew(ledger, add):
    """A claim is prolonged also after it ran out; one that was taken over is named (L1)."""
    kept, taken, done, stranger = add(*[{"subject_id": str(n)} for n in range(4)])
    take(ledger)
    with ledger.write() as tx:
        past = tx.now - timedelta(seconds=1)
    change(ledger, kept, claim_until=past)
    change(ledger, taken, claim_owner=OTHER, claim_fence=2)
    change(ledger, done, state=EventState.HANDLED)
    with ledger.write() as tx:
        assert claims.renew(tx, ME, {kept: 1, taken: 1, done: 1}) == {taken}
        assert claims.renew(tx, ME, {}) == set()
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
    assert not claims.owner_gone(claims.owner_name(me.name))
    assert claims.owner_gone(f"{me.name}:{me.process_started}1")
    assert not claims.owner_gone("nonsense")


def test_handled(ledger, add):
    """A handled event keeps no claim, notes its call and closes its gaps."""
    (seq,) = add({"attempts": 1})
    with ledger.write() as tx:
        gaps.open_(tx, "shop", GapKind.UNHANDLED, "x", reason="r", seq=seq)
    take(ledger)
    with ledger.write() as tx:
        found = marks.standing(tx, ME, {seq: 1})
        marks.mark_handled(tx, [call(tx, found.ours[seq], 2)])
    row = event(ledger, seq)
    assert (row.state, row.attempts, row.claim_owner, row.claim_until) == (EventState.HANDLED, 2, "", None)
    assert row.handled_at is not None
    with ledger.read() as tx:
        assert gaps.find(tx) == []
        (noted,) = tx.connection.execute(select(attempts)).all()
    assert (noted.seq, noted.number, noted.outcome) == (seq, 2, "handled")


def test_failed_until_dead(ledger, add):
    """H8: a failed attempt waits its rung; after the last one the event is dead, with its error in a gap."""
    (seq,) = add({})
    for number, rung in enumerate([*RETRY, None], 1):
        take(ledger)
        with ledger.write() as tx:
            (row,) = marks.standing(tx, ME, {seq: number}).ours.values()
            dead = marks.mark_failed(tx, [call(tx, row, number, "boom")], RETRY)
            now = tx.now
        row = event(ledger, seq)
        assert (row.attempts, row.error) == (number, "boom")
        if rung is not None:
            assert (row.state, row.next_at, dead) == (EventState.WAITING, now + rung, set())
            change(ledger, seq, next_at=now)
    assert (row.state, dead) == (EventState.DEAD, {seq})
    assert outcomes(ledger, seq) == ["failed", "failed", "dead"]
    with ledger.read() as tx:
        (gap,) = gaps.find(tx)
    assert (gap.kind, gap.key, gap.reason, str(gap.subject)) == (GapKind.DEAD, row.id, "boom", "order/1")


def test_released_is_as_before(ledger, add):
    """A claim given back untried leaves no trace but its fencing number."""
    (seq,) = add({})
    before = event(ledger, seq)._asdict()
    take(ledger)
    with ledger.write() as tx:
        marks.mark_released(tx, list(marks.standing(tx, ME, {seq: 1}).ours.values()))
    assert event(ledger, seq)._asdict() == before | {"claim_fence": 1}
    assert outcomes(ledger, seq) == []


def test_standing(ledger, add):
    """H1: a claim is ours, or its event was handled under it, or it is lost to whoever has a newer number."""
    ours, handled, retaken, given_back = add(*[{"subject_id": str(n)} for n in range(4)])
    take(ledger)
    change(ledger, handled, state=EventState.HANDLED, claim_owner="")
    change(ledger, retaken, claim_fence=2)
    change(ledger, given_back, state=EventState.WAITING, claim_owner="")
    with ledger.write() as tx:
        found = marks.standing(tx, ME, dict.fromkeys((ours, handled, retaken, given_back), 1))
    assert (set(found.ours), found.handled, found.lost, found.busy) == ({ours}, {handled}, {retaken, given_back}, set())


def test_outdated_mark_is_refused(ledger, add):
    """H1: a mark with an outdated fencing number changes nothing and raises `LeaseLost`."""
    (seq,) = add({})
    (stale,) = take(ledger).rows
    change(ledger, seq, claim_fence=2, claim_owner=OTHER)
    for write in (marks.mark_handled, marks.mark_dead, lambda tx, calls: marks.mark_failed(tx, calls, RETRY)):
        with pytest.raises(LeaseLost), ledger.write() as tx:
            write(tx, [call(tx, stale)])
    with pytest.raises(LeaseLost), ledger.write() as tx:
        marks.mark_released(tx, [stale])
    assert (event(ledger, seq).state, outcomes(ledger, seq)) == (EventState.CLAIMED, [])


def test_due(ledger, add):
    """What may still be handled counts: not what is held, comes later, or waits behind what comes later."""
    with ledger.write() as tx:
        now = tx.now
        nothing = claims.due(tx, "shop", now)
        add_event(tx, next_at=now + timedelta(seconds=10), subject_id="1")
        add_event(tx, subject_id="1")
        add_event(tx, next_at=now + timedelta(hours=1), subject_id="2")
        add_event(tx, subject_id="2")
        add_event(tx, state=EventState.HELD, subject_id="3")
        until = now + timedelta(minutes=1)
        assert claims.due(tx, "shop", until) == (2, now + timedelta(seconds=10))
        assert claims.due(tx, "shop", now) == (0, None)
    assert nothing == (0, None)


def test_due_counts_what_others_have_claimed(ledger, add):
    """A claim may come back at any moment, so it is looked at again soon."""
    add({})
    take(ledger)
    with ledger.read() as tx:
        assert claims.due(tx, "shop", tx.now) == (1, tx.now + claims.LOOK_AGAIN)


def test_unhandled(ledger, add):
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
        assert [row.seq for row in claims.unhandled(tx, "shop")] == [forgotten]
