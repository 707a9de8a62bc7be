"""How near a rate-limited listing comes to what its rate allows: items ÷ (rate × page size).

Run: python benchmarks/rate.py
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import measure
from provider import at, provider

from connectors.shopify import Shopify
from reconcile.clock import SystemClock
from reconcile.connector import StreamRef
from reconcile.http import ProviderClient, RateBudget
from reconcile.model import Window

PAGE, PAGES, RATE, WINDOWS = 250, 60, 10.0, 4


def listing(base: str, items: int) -> float:
    """Seconds that four threads take for `items`, a window each, under one budget."""
    connector, clock = Shopify(Shopify.Settings(shop="acme.myshopify.com", access_token="shpat_dummy")), SystemClock()  # noqa: S106 - a dummy
    client = ProviderClient(
        source="bench", origin=base, headers=connector.headers, clock=clock, budget=RateBudget(RATE, clock)
    )
    connector.greet(client)
    share = items // WINDOWS
    windows = [Window(at(n * share), at((n + 1) * share)) for n in range(WINDOWS)]

    def read(window: Window) -> int:
        return sum(len(page.items) for page in connector.pages(client, StreamRef("orders"), window, ()))

    started = measure.wall()
    with ThreadPoolExecutor(WINDOWS) as pool:
        listed = sum(pool.map(read, windows))
    assert listed >= items
    return measure.wall() - started


def main() -> None:
    items = PAGE * PAGES
    allowed = items / (RATE * PAGE)
    print(f"{items} items, {PAGE} a page, {RATE:g} requests/s, {WINDOWS} windows at once ({measure.machine()})")
    with provider(items) as base:
        seconds = listing(base, items)
    print(f"  allowed {allowed:.2f} s   taken {seconds:.2f} s")
    measure.verdict("wall time ÷ what the rate allows", seconds / allowed, 1.1)


if __name__ == "__main__":
    main()
