"""Providers whose lists misbehave: pages that come round again or have another shape, items that are left out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import httpx
from simulation.told import seconds
from simulation.trouble import WIRE_FAULTS
from simulation.world import World

from reconcile.sandbox import page_faults
from reconcile.sandbox.fake import Handle
from reconcile.sandbox.faults import Fault

LISTS = r"(orders|events)(\.json)?\?"


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
    **WIRE_FAULTS,
    "missing key": page_faults.missing_key,
    "wrong shape": page_faults.wrong_shape,
    "own url next": lambda: page_faults.next_link(lambda request: str(request.url)),
    "one page again": lambda: round_and_round(1),
    "two pages again": lambda: round_and_round(2),
    "foreign next": lambda: page_faults.next_link("https://evil.example/orders.json"),
}
LOOPS = frozenset({"one page again", "two pages again"})
