"""Clients whose provider is a function, for tests that need no socket."""

from __future__ import annotations

import math
from collections.abc import Callable

import httpx

from reconcile.http import ProviderClient, RateBudget
from support.clock import ManualClock

ORIGIN = "https://shop.example"
TOKEN = "shpat_dummy_0123456789"


class Script:
    """A provider that gives its answers in order, the last one again and again; exceptions are raised.

    `seen` is every request that reached it.
    """

    def __init__(self, *answers: httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]) -> None:
        self._answers = list(answers)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


def make_client(provider: Callable[[httpx.Request], httpx.Response], **options) -> ProviderClient:
    """A client of `provider` on virtual time: no jitter, and a rate that never makes it wait."""
    clock = options.setdefault("clock", ManualClock())
    options.setdefault("budget", RateBudget(math.inf, clock))
    options.setdefault("headers", lambda: {"X-Shopify-Access-Token": TOKEN})
    options.setdefault("jitter", lambda _longest: 0.0)
    return ProviderClient(**{"source": "acme", "origin": ORIGIN, "transport": httpx.MockTransport(provider), **options})
