"""Stripe's rate limits: so many requests in any second, for all and for each endpoint."""

from __future__ import annotations

from collections import deque

from reconcile.clock import Clock
from reconcile.sandbox.fake import Refusal

LIVE, SANDBOX, ENDPOINT = 100, 25, 25
_TEXT = "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits."


class RateLimits:
    """Counts requests. A 429 says why in `Stripe-Rate-Limited-Reason`, and never how long to wait."""

    def __init__(self, clock: Clock, *, livemode: bool) -> None:
        self._clock = clock
        self._allowed = LIVE if livemode else SANDBOX
        self._all: deque[float] = deque()
        self._each: dict[str, deque[float]] = {}

    def take(self, endpoint: str) -> None:
        """Count one request to `endpoint`, or refuse it."""
        now = self._clock.monotonic()
        each = self._each.setdefault(endpoint, deque())
        for taken, allowed, reason in ((self._all, self._allowed, "global-rate"), (each, ENDPOINT, "endpoint-rate")):
            while taken and taken[0] <= now - 1:
                taken.popleft()
            if len(taken) >= allowed:
                body = {"error": {"message": _TEXT, "type": "invalid_request_error", "code": "rate_limit"}}
                raise Refusal(429, body, {"Stripe-Rate-Limited-Reason": reason})
        self._all.append(now)
        each.append(now)
