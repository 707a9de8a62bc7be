"""What happens at the providers: drawn one happening at a time, so that any moment may be the one."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from simulation.world import World


class Business:
    """Orders and payments, each going on from where it stands. Ties in one second are ordinary."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self._world = world
        self._dice = dice
        self._orders: dict[int, set[str]] = {}
        self._last = 0
        self._intents: dict[str, str] = {}
        self._charges: dict[str, str] = {}
        self._customers: list[str] = []

    def happen(self) -> None:
        """One thing or several, at this very moment, at one provider: often to the same order, at times a pageful."""
        dice = self._dice
        name = dice.choice(sorted(self._world.fakes))
        same = dice.random() < 0.4
        for number in range(dice.choice((1, 1, 1, 1, 2, 2, 3, 6))):
            told = self._shop(again=same and number > 0) if name == "shop" else self._pay()
            self._world.say(f"{name}: {told}")

    def _shop(self, *, again: bool) -> str:
        shop, dice = self._world.fakes["shop"], self._dice
        living = sorted(order for order, done in self._orders.items() if "deleted" not in done)
        again = again and self._last in living
        if not living or (not again and dice.random() < 0.35):
            self._last = order = shop.create_order()
            self._orders[order] = set()
            return f"order {order} created"
        self._last = order = self._last if again else dice.choice(living)
        done = self._orders[order]
        actions: dict[str, Callable[[], Any]] = {
            "cancelled": lambda: shop.cancel_order(order),
            "refunded": lambda: shop.refund_order(order, 100),
            "fulfilled": lambda: shop.fulfill_order(order),
            "deleted": lambda: shop.delete_order(order),
        }
        odds = {"cancelled": 0.12, "refunded": 0.2, "fulfilled": 0.12, "deleted": 0.03}
        for action, chance in odds.items():
            if dice.random() < chance and (action == "refunded" or action not in done):
                actions[action]()
                done.add(action)
                return f"order {order} {action}"
        shop.update_order(order, note=f"note {dice.random()}")
        return f"order {order} updated"

    def _pay(self) -> str:
        pay, dice = self._world.fakes["pay"], self._dice
        choice = dice.random()
        if choice < 0.15:
            if self._customers and dice.random() < 0.5:
                pay.update_customer(dice.choice(self._customers), name=f"name {dice.random()}")
                return "a customer updated"
            self._customers.append(pay.create_customer())
            return "a customer created"
        open_intents = sorted(intent for intent, state in self._intents.items() if state == "open")
        if choice < 0.45 and open_intents:
            return self._settle(dice.choice(open_intents))
        if choice < 0.65 and self._charges:
            charge = dice.choice(sorted(self._charges))
            refund = pay.refund(charge, 1, status="pending")
            if dice.random() < 0.5:
                pay.settle_refund(refund)
            return f"{charge} refunded"
        if choice < 0.7 and pay.events:
            event = dice.choice(sorted(pay.events))
            pay.repeat_event(event)
            return f"{event} told again"
        intent = pay.create_payment_intent()
        self._intents[intent] = "open"
        return f"{intent} created"

    def _settle(self, intent: str) -> str:
        pay = self._world.fakes["pay"]
        if self._dice.random() < 0.3:
            pay.fail(intent)
            return f"{intent} failed"
        self._charges[pay.succeed(intent)] = intent
        self._intents[intent] = "done"
        return f"{intent} succeeded"
