"""A dispatcher's world: one source's ledger and clock, and a scripted target."""

from __future__ import annotations

from datetime import timedelta

from reconcile.clock import Stop
from reconcile.dispatch import Dispatcher
from reconcile.ledger import gaps, targets
from reconcile.ledger.process import Holder
from support.rows import add_event
from support.targets import ScriptedTarget, a_source, by_event

MINUTE = timedelta(minutes=1)


class World:
    """One source's ledger, clock and target, and dispatchers to set on them."""

    def __init__(self, ledger, clock):
        self.ledger, self.clock, self.stop = ledger, clock, Stop()
        self.target = ScriptedTarget(clock)
        self.told = []

    def add(self, *rows):
        with self.ledger.write() as tx:
            return [add_event(tx, **row) for row in rows]

    def subjects(self, number, **values):
        return self.add(*[{"subject_id": str(n), "id": f"e{n}"} | values for n in range(number)])

    def script(self, **verdicts):
        self.target.answer = by_event(verdicts)

    def dispatcher(self, target=None, **source):
        return Dispatcher(
            ledger=self.ledger,
            source=a_source(**source),
            target=target or self.target,
            clock=self.clock,
            stop=self.stop,
            owner=Holder.me().name,
            on_outcome=self.told.append,
        )

    def drain(self, seconds=60.0, **source):
        until = self.clock.now() + timedelta(seconds=seconds)
        return self.dispatcher(**source).drain(until)

    def pause(self):
        with self.ledger.read() as tx:
            return targets.get(tx, "shop")

    def dead(self):
        with self.ledger.read() as tx:
            return [gap.key for gap in gaps.find(tx, source="shop")]
