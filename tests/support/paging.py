"""One page of orders over a real socket, well or ill, and clients that ask for it."""

from __future__ import annotations

from contextlib import contextmanager

import msgspec

from reconcile.clock import SystemClock
from reconcile.http import HttpLimits, ProviderClient, RateBudget

TOKEN = "shpat_dummy_0123456789"
ONE_PAGE = b'{"orders":[{"id":1}]}'


@contextmanager
def clients():
    """Makes clients on the real clock that retry without waiting, and closes them."""
    made = []

    def make(origin, *, deadline=5.0, attempts=2, max_body=1_000_000, **options):
        clock = SystemClock()
        made.append(
            ProviderClient(
                source="acme",
                origin=origin,
                headers=lambda: {"X-Shopify-Access-Token": TOKEN, "Authorization": f"Bearer {TOKEN}"},
                clock=clock,
                budget=RateBudget(1000.0, clock),
                limits=HttpLimits(deadline, attempts, max_body),
                **{"jitter": lambda _longest: 0.0, **options},
            )
        )
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.close()


def head(length=None, *headers):
    """The head of an answer that closes its connection."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def good(wire):
    """Answer the page, whole."""
    wire.answer(ONE_PAGE)


class Orders(msgspec.Struct):
    """What the page decodes to."""

    orders: list[msgspec.Raw]
