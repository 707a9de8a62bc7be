"""What listing costs this process per item: against a bare loop, and against the official Stripe SDK's auto-paging.

Run: python benchmarks/listing.py [ITEMS]
"""

from __future__ import annotations

import re
import sys

import httpx
import measure
import msgspec
import stripe
from provider import at, provider

from connectors.shopify import Shopify
from connectors.stripe import Stripe
from reconcile.clock import SystemClock
from reconcile.connector import StreamRef
from reconcile.http import ProviderClient, RateBudget
from reconcile.model import Window

ROUNDS = 3
NEXT = re.compile(r'<([^>]+)>; rel="next"')


class Head(msgspec.Struct):
    """The two fields a diff needs."""

    id: int
    updated_at: str


class Orders(msgspec.Struct):
    orders: list[msgspec.Raw]


class ChargeHead(msgspec.Struct):
    id: str
    created: int


class Charges(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool


def client(connector: Shopify | Stripe, origin: str) -> ProviderClient:
    """Production's client, with a budget that never waits."""
    clock = SystemClock()
    return ProviderClient(
        source="bench", origin=origin, headers=connector.headers, clock=clock, budget=RateBudget(1e6, clock)
    )


def bare_shopify(base: str) -> int:
    """httpx and msgspec, and nothing else: no retries, no cap, no deadline."""
    page, one, seen = msgspec.json.Decoder(Orders), msgspec.json.Decoder(Head), 0
    url: str | None = f"{base}/admin/api/2026-10/orders.json?limit=250"
    with httpx.Client() as http:
        while url:
            answer = http.get(url)
            seen += len([(one.decode(raw), bytes(raw)) for raw in page.decode(answer.content).orders])
            found = NEXT.search(answer.headers.get("Link", ""))
            url = found[1] if found else None
    return seen


def our_shopify(base: str, items: int) -> int:
    """The connector's pages, through production's client."""
    connector = Shopify(Shopify.Settings(shop="acme.myshopify.com", access_token="shpat_dummy"))  # noqa: S106 - a dummy
    http = client(connector, base)
    connector.greet(http)
    window = Window(at(0), at(items))
    return sum(len(page.items) for page in connector.pages(http, StreamRef("orders"), window, ()))


def bare_stripe(base: str) -> int:
    """The same bare loop over charges."""
    page, one, seen, after = msgspec.json.Decoder(Charges), msgspec.json.Decoder(ChargeHead), 0, ""
    with httpx.Client() as http:
        while True:
            found = page.decode(http.get(f"{base}/v1/charges?limit=100{after}").content)
            heads = [(one.decode(raw), bytes(raw)) for raw in found.data]
            seen += len(heads)
            if not found.has_more:
                return seen
            after = f"&starting_after={heads[-1][0].id}"


def our_stripe(base: str, items: int) -> int:
    connector = Stripe(Stripe.Settings(api_key="sk_test_dummy"))
    window = Window(at(0), at(items))
    pages = connector.pages(client(connector, base), StreamRef("charges"), window, ())
    return sum(len(page.items) for page in pages)


def stripe_sdk(base: str, items: int) -> int:
    """The official SDK, `auto_paging_iter`, a tenth of the items."""
    api = stripe.StripeClient("sk_test_dummy", base_addresses={"api": base})
    wanted = max(100, items // 10)
    for number, _ in enumerate(api.v1.charges.list({"limit": 100}).auto_paging_iter(), 1):
        if number == wanted:
            break
    return number


def main() -> None:
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{items} items of 2.1 KB: CPU of this process, best of {ROUNDS} rounds in turns ({measure.machine()})")
    with provider(items) as base:
        runs = [
            lambda: bare_shopify(base),
            lambda: our_shopify(base, items),
            lambda: bare_stripe(base),
            lambda: our_stripe(base, items),
            lambda: stripe_sdk(base, items),
        ]
        bare, ours, bare_charges, our_charges, sdk = measure.alternating(runs, ROUNDS)
    print(f"  orders:  bare loop {bare:7.1f} µs   reconcile {ours:7.1f} µs")
    print(f"  charges: bare loop {bare_charges:7.1f} µs   reconcile {our_charges:7.1f} µs   stripe SDK {sdk:7.1f} µs")
    measure.verdict("orders, reconcile ÷ bare loop", ours / bare, 1.3)
    measure.verdict("charges, reconcile ÷ bare loop", our_charges / bare_charges, 1.3)
    measure.verdict("charges, stripe SDK ÷ reconcile", sdk / our_charges, 20, at_least=True)


if __name__ == "__main__":
    main()
