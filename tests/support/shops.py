"""Shops that took orders for a while before a run looks at them."""

from __future__ import annotations

from support.running import Bench, add_shop

#: Below the valve's ratio rule.
ORDERS = 18
PAGE = 5


def add_shops(bench: Bench, *names: str, orders: int = ORDERS, every: float = 1800, **facts: object) -> Bench:
    """Shops that took their orders side by side, one every so many seconds."""
    shops = [add_shop(bench, name, **facts) for name in names]
    for _ in range(orders):
        for shop in shops:
            shop.create_order()
        bench.clock.advance(every)
    return bench


def created(bench: Bench, source: str) -> set[str]:
    """The ids of every order created."""
    return {one.subject_id for one in bench.faults[source].fake.truth if one.topic == "orders/create"}


def each_once(bench: Bench, source: str = "shop") -> bool:
    """Whether the handler was told of every order of a source exactly once."""
    return bench.handled(source) == dict.fromkeys(created(bench, source), 1)
