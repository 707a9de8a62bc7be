"""Dispatchers on real engines, in threads and processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select
from support.rows import add_event, event, outcomes, states
from support.targets import ScriptedTarget, a_source

from reconcile.clock import Stop, SystemClock
from reconcile.dispatch import Dispatcher
from reconcile.errors import LedgerError
from reconcile.ledger.process import Holder
from reconcile.ledger.tables import events
from reconcile.model import EventState
from reconcile.targets.model import Verdict


def make(ledger, target=None, stop=None, told=None, **source):
    clock = SystemClock()
    return Dispatcher(
        ledger=ledger,
        source=a_source(**source),
        target=target or ScriptedTarget(clock),
        clock=clock,
        stop=stop or Stop(),
        owner=Holder.me().name,
        on_outcome=told,
    )


def fill(ledger, number, **values):
    with ledger.write() as tx:
        return [add_event(tx, **{"subject_id": str(n), "id": f"e{n}"} | values) for n in range(number)]


def test_everything_due_is_drained_on_every_engine(ledger):
    """Everything due is delivered and marked, on every engine."""
    seqs = fill(ledger, 20)
    target = ScriptedTarget(SystemClock(), lambda job: Verdict.REJECTED if job.event.id == "e3" else Verdict.HANDLED)
    tally = make(ledger, target).drain(ledger.now())
    assert (tally.handled, tally.dead, tally.pending) == (19, 1, 0)
    assert states(ledger, *seqs).count(EventState.HANDLED) == 19
    assert outcomes(ledger, seqs[3]) == ["dead"]


def test_waits_for_a_retry_on_the_ledgers_clock(ledger):
    """A retry that comes due in time is waited for and made."""
    fill(ledger, 1)
    target = ScriptedTarget(SystemClock(), lambda job: Verdict.FAILED if job.number == 1 else Verdict.HANDLED)
    dispatcher = make(ledger, target, retry=(timedelta(milliseconds=200),))
    tally = dispatcher.drain(ledger.now() + timedelta(seconds=20))
    assert (tally.handled, target.called()) == (1, ["e0", "e0"])


def test_side_by_side(ledger):
    """H1: dispatchers of one source at the same time deliver each event once, and a subject's events in order."""
    with ledger.write() as tx:
        seqs = [add_event(tx, subject_id=str(n % 5), id=f"e{n}") for n in range(40)]
    targets = [ScriptedTarget(SystemClock(), concurrency=2) for _ in range(3)]
    until = ledger.now() + timedelta(seconds=30)
    threads = [threading.Thread(target=make(ledger, target).drain, args=(until,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = [job for target in targets for job in target.calls]
    assert sorted(job.seq for job in calls) == seqs
    assert set(states(ledger, *seqs)) == {EventState.HANDLED}
    with ledger.read() as tx:
        order = tx.connection.execute(select(events.c.seq, events.c.late).order_by(events.c.handled_at)).all()
    assert not any(row.late for row in order)


def test_serves_as_soon_as_notified(ledger):
    """A delivery is handled at once after `notify`, not at the next look; a stop ends the loop."""
    stop, answered = Stop(), threading.Event()
    dispatcher = make(ledger, stop=stop, told=lambda _outcome: answered.set())
    thread = threading.Thread(target=dispatcher.run_forever, args=(3600.0,))
    thread.start()
    try:
        (seq,) = fill(ledger, 1)
        dispatcher.notify()
        assert answered.wait(10)
    finally:
        stop.set()
        dispatcher.notify()
        thread.join(20)
    assert not thread.is_alive()
    assert states(ledger, seq) == [EventState.HANDLED]


def test_serves_on_after_an_unreachable_ledger(ledger, monkeypatch):
    """A ledger that cannot be written for a while ends no dispatcher; what it should deliver is delivered later."""
    stop, answered = Stop(), threading.Event()
    dispatcher = make(ledger, stop=stop, told=lambda _outcome: answered.set())
    write, failures = ledger.write, iter([LedgerError("gone"), LedgerError("gone")])

    def flaky():
        error = next(failures, None)
        if error is not None:
            raise error
        return write()

    (seq,) = fill(ledger, 1)
    monkeypatch.setattr(ledger, "write", flaky)
    thread = threading.Thread(target=dispatcher.run_forever, args=(0.01,))
    thread.start()
    try:
        assert answered.wait(10)
    finally:
        stop.set()
        thread.join(20)
    assert states(ledger, seq) == [EventState.HANDLED]


def test_handlers_own_transaction_is_waited_for(ledger, monkeypatch):
    """While a handler's transaction keeps the ledger or the row, the dispatcher loses no outcome and no claim."""
    monkeypatch.setattr("reconcile.ledger.sqlite.BUSY_MS", 100)
    (seq,) = fill(ledger, 1)
    dispatcher = make(ledger, ScriptedTarget(SystemClock()))
    dispatcher._turn()
    locked, release = threading.Event(), threading.Event()

    def handler():
        with ledger.write() as tx:
            tx.connection.execute(select(events).where(events.c.seq == seq).with_for_update())
            locked.set()
            release.wait(30)

    thread = threading.Thread(target=handler)
    thread.start()
    assert locked.wait(10)
    dispatcher.step(0)
    assert (dispatcher.in_flight, dispatcher.tally.handled) == (1, 0)
    assert states(ledger, seq) == [EventState.CLAIMED]
    release.set()
    thread.join()
    dispatcher.step(0)
    assert (dispatcher.in_flight, dispatcher.tally.handled) == (0, 1)
    assert states(ledger, seq) == [EventState.HANDLED]


def test_foreign_writer_is_waited_for_only_so_long(ledger, monkeypatch):
    """A ledger that someone keeps for longer than any call may last is an error, and nothing is lost."""
    (seq,) = fill(ledger, 1)
    dispatcher = make(ledger, timeout=timedelta(seconds=1))
    dispatcher._patience._since = dispatcher._clock.monotonic() - 60
    monkeypatch.setattr("reconcile.dispatch.bearing.passes", lambda _error: True)

    def locked():
        raise LedgerError("locked")

    monkeypatch.setattr(ledger, "write", locked)
    with pytest.raises(LedgerError, match="locked"):
        dispatcher.step(0)
    monkeypatch.undo()
    assert states(ledger, seq) == [EventState.WAITING]


CHILD = textwrap.dedent(
    """
    import sys
    from reconcile.clock import SystemClock
    from reconcile.ledger import Ledger, claims
    from reconcile.ledger.process import Holder, owner_name

    ledger = Ledger.open(sys.argv[1], SystemClock())
    with ledger.write() as tx:
        claimed = claims.claim(tx, "shop", owner_name(Holder.me().name), 10)
    print(len(claimed.rows), flush=True)
    sys.stdin.read()
    """
)


def test_claims_of_a_killed_process_are_taken_over_at_once(ledger, ledger_url):
    """L3: when a dispatcher's process is killed, the next one on the machine waits for nothing."""
    seqs = fill(ledger, 3)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, ledger_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "3\n"
        assert make(ledger).step(0) == 0
        os.kill(child.pid, signal.SIGKILL)
    tally = make(ledger).drain(ledger.now())
    assert tally.handled == 3
    assert [event(ledger, seq).attempts for seq in seqs] == [1, 1, 1]
    assert outcomes(ledger, seqs[0]) == ["unknown", "handled"]
