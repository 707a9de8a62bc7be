"""A machine's clock jumps while two processes share one SQLite ledger, which has no clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.effects import effects
from support.ledgers import NOON
from support.rows import add_event, outcomes, states
from support.targets import a_source

from reconcile.clock import Stop
from reconcile.dispatch import Dispatcher
from reconcile.ledger import Ledger
from reconcile.ledger.process import Holder
from reconcile.model import EventState
from reconcile.sandbox.clock import SettableClock
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import LoadedHandler

EVENTS = 4
WRITE = text("insert into app_effect (note) values (:note)")


class Machine:
    """A ledger and the clock that everybody on it goes by. `calls` are those of handlers, by event."""

    def __init__(self, url: str) -> None:
        self.clock = SettableClock(NOON)
        self.ledger = Ledger.open(url, self.clock)
        self.calls: Counter[str] = Counter()
        with self.ledger.write() as tx:
            tx.connection.execute(text("create table app_effect (note text)"))

    def jump(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def add(self, number: int) -> list[int]:
        with self.ledger.write() as tx:
            return [add_event(tx, subject_id=str(n), id=f"e{n}") for n in range(number)]

    def dispatcher(self, meanwhile: Callable[[], object] = lambda: None) -> Dispatcher:
        """A process of its own, in whose handler something happens before it first touches its session."""

        def handle(event, session):
            self.calls[event.id] += 1
            meanwhile()
            session.connection().execute(WRITE, {"note": event.id})

        handler = LoadedHandler(handle)
        return Dispatcher(
            ledger=self.ledger,
            source=a_source(),
            target=InProcessTarget(handler, self.clock, self.ledger.session),
            clock=self.clock,
            stop=Stop(),
            owner=Holder.me().name,
        )


@pytest.fixture
def machine(sqlite_databases, tmp_path):
    with sqlite_databases.fresh(tmp_path) as url:
        made = Machine(url)
        yield made
        made.ledger.close()


def once(*does):
    """Each of `does` in its turn, then nothing."""
    left = list(does)

    def meanwhile():
        if left:
            left.pop(0)()

    return meanwhile


@pytest.mark.parametrize("seconds", [31, 3600, 365 * 86_400])
def test_what_is_taken_over_after_a_jump_forward_has_its_effect_once(machine, seconds):
    """H1, H2, C15: every claim has run out at once, another process takes all of them, and the first one's are void."""
    seqs = machine.add(EVENTS)
    other = machine.dispatcher()

    def jump():
        machine.jump(seconds)
        assert other.drain(machine.clock.now()).handled == EVENTS

    tally = machine.dispatcher(once(jump)).drain(machine.clock.now())
    assert effects(machine.ledger) == [f"e{n}" for n in range(EVENTS)]
    assert states(machine.ledger, *seqs) == [EventState.HANDLED] * EVENTS
    assert (tally.handled, machine.calls) == (0, {f"e{n}": 2 for n in range(EVENTS)})
    assert [outcomes(machine.ledger, seq) for seq in seqs] == [["unknown", "handled"]] * EVENTS


def test_a_claim_that_another_process_holds_since_is_void(machine):
    """H1, H2: the first handler returns while the second process has its event in hand, and the others not yet."""
    seqs = machine.add(EVENTS)
    other = machine.dispatcher()

    def jump():
        machine.jump(31)
        other._turn()
        assert states(machine.ledger, *seqs) == [EventState.CLAIMED] + [EventState.WAITING] * (EVENTS - 1)

    first = machine.dispatcher(once(jump))
    first.step(0)
    assert (effects(machine.ledger), first.tally.handled) == ([], 0)
    for one in (other, first, other):
        one.drain(machine.clock.now())
    assert first.tally.handled + other.tally.handled == EVENTS
    assert effects(machine.ledger) == [f"e{n}" for n in range(EVENTS)]


def test_claims_that_go_to_and_fro_have_their_effect_once(machine):
    """H2: a clock that NTP, a suspended machine and an operator move in turn, each time in the midst of a call."""
    seqs = machine.add(EVENTS)
    third = machine.dispatcher(once(lambda: machine.jump(-86_400)))

    def forward_again():
        machine.jump(40)
        third.drain(machine.clock.now())

    second = machine.dispatcher(once(forward_again))

    def forward():
        machine.jump(7200)
        second.drain(machine.clock.now())

    machine.dispatcher(once(forward)).drain(machine.clock.now())
    machine.jump(2 * 86_400)
    machine.dispatcher().drain(machine.clock.now())
    assert effects(machine.ledger) == [f"e{n}" for n in range(EVENTS)]
    assert states(machine.ledger, *seqs) == [EventState.HANDLED] * EVENTS


def test_a_jump_back_takes_no_claim_from_anyone_and_delays_nothing_new(machine):
    """H1, C15: claims last longer than they should, which costs nothing while their holder lives."""
    machine.add(1)
    other = machine.dispatcher()

    def jump():
        machine.jump(-3600)
        assert other.drain(machine.clock.now()).handled == 0

    assert machine.dispatcher(once(jump)).drain(machine.clock.now()).handled == 1
    assert (effects(machine.ledger), machine.calls["e0"]) == (["e0"], 1)
    with machine.ledger.write() as tx:
        add_event(tx, subject_id="new", id="new")
    assert other.drain(machine.clock.now()).handled == 1
