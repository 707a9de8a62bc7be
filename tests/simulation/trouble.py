"""Crashes at failpoints, and a world that goes on while a run works."""

from __future__ import annotations

import random
from collections.abc import Callable

from simulation.processes import Killed
from simulation.stage import Stage

from reconcile.sandbox import wire_faults
from reconcile.sandbox.faults import Fault

#: Where a run of backfill and dispatch may be killed, and one of upkeep. Named here one by one, because one more shifts
#: what every seed draws.
BACKFILL_PLACES = (
    "window.opened",
    "page.fetched",
    "page.before_commit",
    "page.committed",
    "window.before_cover",
    "window.covered",
    "valve.before_release",
    "valve.released",
    "dispatch.claimed",
    "target.before_call",
    "target.called",
    "handler.before_commit",
    "handler.committed",
    "dispatch.before_mark",
    "dispatch.marked",
    "run.before_finish",
    "run.finished",
)
UPKEEP_PLACES = (
    "transaction.claimed",
    "transaction.asked",
    "transaction.applied",
    "dispatch.claimed",
    "handler.before_commit",
    "handler.committed",
    "subscription.asked",
    "subscription.made",
    "subscription.recorded",
    "subscription.changed",
    "alerts.before_commit",
    "alerts.seen",
    "alerts.committed",
    "mail.before_send",
    "mail.sent",
    "mail.marked",
    "purge.promised",
    "purge.forgotten",
    "run.before_finish",
    "run.finished",
)
#: Where a transaction is open, or nothing is left to disturb: nobody else is let in.
CLOSED = frozenset({"target.called", "handler.before_commit", "handler.committed", "run.finished"})
#: Where others are let in besides, though nobody is killed there.
ALSO_OPEN = frozenset({"asked", "answered", "dispatch.before_mark"})
#: What any request may meet.
WIRE_FAULTS: dict[str, Callable[[], Fault]] = {
    "rate limited": lambda: wire_faults.rate_limited("3"),
    "error 500": lambda: wire_faults.answers(500, b"oops"),
    "error 400": lambda: wire_faults.answers(400, b"{}"),
    "html": wire_faults.html,
    "reset": wire_faults.reset,
    "answer lost": wire_faults.answer_lost,
}


class Trouble:
    """Kills the process at some hit of some failpoint, and lets things happen in the middle of a run."""

    def __init__(
        self,
        world: Stage,
        dice: random.Random,
        happen: Callable[[], None],
        rival: Callable[[str], None],
        places: tuple[str, ...],
    ) -> None:
        self._world = world
        self._places = places
        self._open_places = ALSO_OPEN | set(places) - CLOSED
        self._dice = dice
        self._happen = happen
        self._rival = rival
        self._left = 0
        self._where = ""
        self._odds = 0.0
        self._busy = False
        self._web_odds = 0.0
        self._budget = 0

    def prepare(self, crashes: float, intrusions: float) -> None:
        """Draw what the next run meets: it may be killed at some hit of one place, or of any."""
        dice = self._dice
        self._where = dice.choice((*self._places, *[""] * len(self._places)))
        hits = (1, 1, 2, 3, 5) if self._where else (1, 2, 3, 4, 6, 9, 14, 20, 30)
        self._left = dice.choice(hits) if dice.random() < crashes else 0
        self._odds = intrusions
        self._web_odds = crashes / 20
        self._budget = 6
        self._world.reached = self._reached
        self._world.interfere = self._interfere

    def calm_down(self) -> None:
        """The run is over."""
        self._world.reached = lambda place: None
        self._world.interfere = lambda place: None

    def _reached(self, place: str) -> None:
        world = self._world
        actor = world.acting[-1]
        if actor is world.web:
            if self._dice.random() < self._web_odds:
                raise Killed(actor)
            return
        if actor is not world.process:
            return
        if self._left and self._where in ("", place):
            self._left -= 1
            if self._left == 0:
                world.say(f"killed at {place}")
                actor.dead = True
                raise Killed(actor)
        self._interfere(place)

    def _interfere(self, place: str) -> None:
        """Business, deliveries, a rival or a long pause, right here."""
        world, dice = self._world, self._dice
        if self._busy or place not in self._open_places or not self._budget or world.acting[-1] is not world.process:
            return
        if dice.random() >= self._odds:
            return
        self._busy = True
        self._budget -= 1
        try:
            world.say(f"meanwhile, at {place}:")
            for _ in range(dice.choice((1, 1, 2))):
                happen, step = self._happen, self._step
                dice.choice((happen, happen, world.pump, step, step, lambda: self._rival(place)))()
        finally:
            self._busy = False

    def _step(self) -> None:
        self._world.pass_time(self._dice.choice((0, 1, 1, 5, 35)))
