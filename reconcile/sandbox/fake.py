"""What all fake providers have in common: one lock, one truth, one log of requests."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import msgspec

from reconcile.clock import Clock
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.truth import Delivery, Happened

Json = dict[str, Any]
Handle = Callable[[httpx.Request], httpx.Response]
Lag = float | tuple[float, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request a fake received, and the status it answered with."""

    method: str
    path: str
    query: str
    headers: httpx.Headers
    body: bytes
    status: int


class Refusal(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


class Fake(ABC):
    """A provider in memory. Thread-safe; time and randomness come from `clock` and `seed` alone.

    `lag` is how many seconds a change takes to show in lists, or a range of which each change draws its own.
    """

    def __init__(self, clock: Clock, seed: int, lag: Lag) -> None:
        self.clock = clock
        self.dice = Dice(seed)
        self.truth: list[Happened] = []
        self.outbox: deque[Delivery] = deque()
        self.requests: list[Seen] = []
        self.lock = threading.RLock()
        self.lag = lag

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request as the provider would."""
        body = request.read()
        with self.lock:
            try:
                answer = self._answer(request)
            except Refusal as refusal:
                answer = self._refuse(refusal)
            answer.headers["Date"] = format_datetime(self.clock.now(), usegmt=True)
            url = request.url
            self.requests.append(
                Seen(request.method, url.path, url.query.decode(), request.headers, body, answer.status_code)
            )
            return answer

    @abstractmethod
    def _answer(self, request: httpx.Request) -> httpx.Response: ...

    def _refuse(self, refusal: Refusal) -> httpx.Response:
        return respond(refusal.status, msgspec.json.encode(refusal.body), refusal.headers)

    def visible_at(self) -> datetime:
        """When a change made now will show in lists."""
        return self.clock.now() + timedelta(seconds=self._lag())

    def _lag(self) -> float:
        return self.lag if isinstance(self.lag, (int, float)) else self.dice.uniform(*self.lag)


def respond(status: int, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    """A JSON answer."""
    return httpx.Response(status, headers={"Content-Type": "application/json; charset=utf-8", **headers}, content=body)
