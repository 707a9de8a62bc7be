"""Random histories of arrivals, failures, crashes and passing time: nothing lost, nothing out of order."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.clock import ManualClock
from support.rows import add_event, event, outcomes
from support.targets import RETRY, ScriptedTarget, a_source

from reconcile import failpoints
from reconcile.clock import Stop
from reconcile.dispatch import Dispatcher
from reconcile.ledger import Ledger, gaps, queue
from reconcile.ledger.process import Holder
from reconcile.model import EventState
from reconcile.targets.model import Verdict

PLACES = ("dispatch.claimed", "dispatch.before_mark", "dispatch.marked")
FOREVER = timedelta(days=30)
VERDICTS = st.sampled_from([Verdict.FAILED, Verdict.FAILED, Verdict.UNREACHABLE])

arrive = st.tuples(st.just("arrive"), st.sampled_from(["", "1", "2", "3"]), st.lists(VERDICTS, max_size=5))
step = st.tuples(st.just("step"))
crash = st.tuples(st.just("crash"), st.sampled_from(PLACES))
advance = st.tuples(st.just("advance"), st.sampled_from([1, 10, 31, 60, 400]))
histories = st.lists(st.one_of(arrive, arrive, step, crash, advance), max_size=16)


class Crash(BaseException):
    """The process is gone: nothing after it runs."""


class History:
    """A ledger, the clock, and whichever dispatcher is alive."""

    def __init__(self, ledger, clock):
        self.ledger, self.clock = ledger, clock
        self.scripts = {}
        self.calls = Counter()
        self.seqs = []
        self.start()

    def start(self):
        """A new process: it knows nothing of the one before."""
        self.target = ScriptedTarget(self.clock, self.answer)
        self.dispatcher = Dispatcher(
            ledger=self.ledger,
            source=a_source(),
            target=self.target,
            clock=self.clock,
            stop=Stop(),
            owner=Holder.me().name,
        )

    def answer(self, job):
        self.check_order(job)
        script = self.scripts[job.seq]
        made = self.calls[job.seq]
        self.calls[job.seq] += 1
        return script[made] if made < len(script) else Verdict.HANDLED

    def check_order(self, job):
        """No earlier event of its subject is waiting that may still hold it, and none is being handled."""
        with self.ledger.read() as tx:
            waiting = queue.whole(tx, "shop")
        subject = job.event.subject
        earlier = [one for one in waiting if subject and one.subject_id == subject.id and one.seq < job.seq]
        assert all(one.attempts >= 3 for one in earlier)

    def arrive(self, subject, script):
        kind = "order" if subject else ""
        with self.ledger.write() as tx:
            seq = add_event(tx, subject_type=kind, subject_id=subject, version=None)
        self.seqs.append(seq)
        self.scripts[seq] = script

    def step(self):
        self.dispatcher.step(0)

    def crash(self, place):
        """Step until that place is reached, if it is, and be gone; then somebody starts a new process."""

        def at(name):
            if name == place:
                raise Crash

        failpoints.hook = at
        try:
            with contextlib.suppress(Crash):
                self.dispatcher.step(0)
        finally:
            failpoints.hook = None
        self.start()

    def advance(self, seconds):
        self.clock.advance(seconds)


@pytest.fixture
def fresh(sqlite_databases, tmp_path_factory):
    @contextlib.contextmanager
    def make():
        clock = ManualClock()
        with sqlite_databases.fresh(tmp_path_factory.mktemp("history")) as url:
            ledger = Ledger.open(url, clock)
            try:
                yield History(ledger, clock)
            finally:
                ledger.close()

    return make


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories)
def test_every_history_ends_well(fresh, actions):
    """H1, H8, L3: whatever happens, each event ends handled or dead; dead exactly after its last retry, with a gap;
    called in order per subject, one at a time; and its attempts are the calls that counted.
    """
    with fresh() as history:
        for name, *given_ in actions:
            getattr(history, name)(*given_)
        history.dispatcher.drain(history.clock.now() + FOREVER)
        with history.ledger.read() as tx:
            dead = {gap.seq for gap in gaps.find(tx, source="shop", limit=1000)}
        for seq in history.seqs:
            check_end(history, seq, dead)


def check_end(history, seq, dead):
    row, noted = event(history.ledger, seq), outcomes(history.ledger, seq)
    assert row.claim_owner == ""
    assert row.attempts <= len(RETRY) + 1
    assert noted.count("handled") == (row.state == EventState.HANDLED)
    assert (seq in dead) == (row.state == EventState.DEAD)
    if row.state == EventState.DEAD:
        assert row.attempts == len(RETRY) + 1
    else:
        assert row.state == EventState.HANDLED
        assert history.calls[seq] > len(history.scripts[seq])
