"""How providers misbehave when they are asked for a status, or for a subscription."""

from __future__ import annotations

import random
from collections.abc import Callable

import httpx
from simulation.trouble import WIRE_FAULTS
from simulation.upkeep.world import UpkeepWorld

from reconcile.sandbox import wire_faults
from reconcile.sandbox.fake import Handle
from reconcile.sandbox.faults import Fault

STATUS = r"get-status|/(payment_intents|payouts|refunds)/|/orders/\d+"
HOOKS = r"webhook_endpoints|/webhooks"


def plan_faults(world: UpkeepWorld, dice: random.Random, chance: float) -> None:
    """Perhaps the provider misbehaves at some requests of the next run, or does what it should and nobody hears."""
    for source, faults in world.faults.items():
        if dice.random() < chance:
            name = dice.choice(sorted(FAULTS))
            times = dice.choice((1, 1, 3, 0))
            world.say(f"{source}: {name} {times} times at statuses")
            faults.add(FAULTS[name](), path=STATUS, nth=dice.randint(1, 3), times=times)
        if source != "gate" and dice.random() < chance:
            name = dice.choice(
                ("answer lost", "answer lost", "answer lost", "error 500", "done badly", "reset", "error 400")
            )
            times = dice.choice((1, 1, 2, 3, 0))
            world.say(f"{source}: {name} {times} times at subscriptions")
            faults.add(FAULTS[name](), method=dice.choice(("POST", "POST", "")), path=HOOKS, times=times)


def unknown() -> Fault:
    """It does not know what it was asked about: not yet, or not here."""

    def fault(request: httpx.Request, handle: Handle) -> httpx.Response:
        handle(request)
        return httpx.Response(404, json={"error": {"message": "not here"}, "errors": "Not Found"})

    return fault


FAULTS: dict[str, Callable[[], Fault]] = {
    **WIRE_FAULTS,
    "done badly": lambda: wire_faults.done_then(502),
    "unknown": unknown,
}
