"""Crashes at failpoints, providers that misbehave, and a world that goes on while a run works."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import httpx
from simulation.processes import Killed
from simulation.stage import Stage
from simulation.told import seconds
from simulation.world import World

from reconcile.sandbox import page_faults, wire_faults
from reconcile.sandbox.fake import Handle
from reconcile.sandbox.faults import Fault

#: Failpoints at which no transaction is open, so that others may use the ledger meanwhile.
OPEN_PLACES = frozenset(
    {
        "asked",
        "answered",
        "window.opened",
        "page.fetched",
        "page.before_commit",
        "page.committed",
        "window.before_cover",
        "window.covered",
        "valve.before_release",
        "valve.released",
        "dispatch.claimed",
        "dispatch.before_mark",
        "dispatch.marked",
        "target.before_call",
        "run.before_finish",
    }
)
#: Where a run may be killed. Named here one by one, because one more shifts what every seed draws.
PLACES = (
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
LISTS = r"(orders|events)(\.json)?\?"


class Trouble:
    """Kills the process at some hit of some failpoint, and lets things happen in the middle of a run."""

    def __init__(
        self,
        world: Stage,
        dice: random.Random,
        happen: Callable[[], None],
        rival: Callable[[str], None],
        places: tuple[str, ...] = PLACES,
        open_places: frozenset[str] = OPEN_PLACES,
    ) -> None:
        self._world = world
        self._places = places
        self._open_places = open_places
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


def plan_faults(world: World, dice: random.Random, chance: float) -> None:
    """Perhaps the provider misbehaves at some request of the next run."""
    for faults in world.faults.values():
        if dice.random() < chance:
            name = dice.choice((*sorted(FAULTS), *sorted(LOOPS) * 3))
            world.say(f"fault planned: {name}")
            times = 0 if name in LOOPS else dice.choice((1, 1, 2, 0))
            faults.add(FAULTS[name](), path=LISTS, nth=dice.randint(1, 4), times=times)


def round_and_round(period: int) -> Fault:
    """Of each listing the first `period` pages again and again: 1 is A→A, 2 is A→B→A. Use it with `times=0`."""
    kept: list[httpx.Response] = []
    listing: Mapping[str, str] = {}
    asked = 0

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        nonlocal listing, asked
        params = request.url.params
        bounds = {name: params[name] for name in ("created[gte]", "created[lt]") if name in params}
        if bounds != listing or (not bounds and "page_info" not in params):
            kept.clear()
            listing, asked = bounds, 0
        asked += 1
        if len(kept) < period:
            kept.append(handle(request))
        again = kept[(asked - 1) % period]
        return httpx.Response(again.status_code, headers=again.headers, content=again.content)

    return fault


class Forgetful:
    """A list that now and then leaves out the last order of a page. It keeps what nobody was shown instead."""

    def __init__(self, dice: random.Random, odds: float) -> None:
        self._dice = dice
        self._odds = odds
        self.left_out: dict[str, int] = {}

    def begin(self) -> None:
        """A run begins."""
        self.left_out.clear()

    def edit(self, request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        """The answer, perhaps without its last order."""
        if not request.url.path.endswith("/orders.json") or answer.status_code != 200:
            return answer
        orders = json.loads(answer.content)["orders"]
        for order in orders:
            self.left_out.pop(str(order["id"]), None)
        if not orders or self._dice.random() >= self._odds:
            return answer
        lost = orders.pop()
        if self._well_inside(request, seconds(lost["updated_at"])):
            self.left_out[str(lost["id"])] = seconds(lost["updated_at"])
        headers = [item for item in answer.headers.multi_items() if item[0] != "content-length"]
        return httpx.Response(200, headers=headers, content=json.dumps({"orders": orders}).encode())

    @staticmethod
    def _well_inside(request: httpx.Request, version: int) -> bool:
        """A request is widened to whole seconds: what lies at its edges may belong to another window."""
        asked = request.url.params
        if "updated_at_min" not in asked:
            return False
        return seconds(asked["updated_at_min"]) < version < seconds(asked["updated_at_max"])


FAULTS: dict[str, Callable[[], Fault]] = {
    "rate limited": lambda: wire_faults.rate_limited("3"),
    "error 500": lambda: wire_faults.answers(500, b"oops"),
    "error 400": lambda: wire_faults.answers(400, b"{}"),
    "html": wire_faults.html,
    "reset": wire_faults.reset,
    "answer lost": wire_faults.answer_lost,
    "missing key": page_faults.missing_key,
    "wrong shape": page_faults.wrong_shape,
    "own url next": lambda: page_faults.next_link(lambda request: str(request.url)),
    "one page again": lambda: round_and_round(1),
    "two pages again": lambda: round_and_round(2),
    "foreign next": lambda: page_faults.next_link("https://evil.example/orders.json"),
}
LOOPS = frozenset({"one page again", "two pages again"})
