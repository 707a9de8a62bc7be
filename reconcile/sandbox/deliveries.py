"""Webhooks on their way from a fake provider to a receiver, over a network as bad as you ask for.

    network = Network(fake, clock, send, seed=1, fates=Fates(drop=0.2, double=0.05), delay=(0, 600))
    network.pump()                       # everything due by now
    run_until(when, clock, [network])    # step the clock from delivery to delivery

`send(headers, body) -> status` is the receiver: a function in this process, or `with posting_to(url) as send`.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import httpx

from reconcile.clock import Clock
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.seeds import Dice
from reconcile.sandbox.truth import Delivery

Send = Callable[[Mapping[str, str], bytes], int]


class Sender(Protocol):
    """A fake provider, as the network sees it."""

    outbox: deque[Delivery]

    def headers_of(self, delivery: Delivery) -> dict[str, str]:
        """Headers of an attempt, signed now."""
        ...

    def owed(self, delivery: Delivery) -> bool:
        """Whether the provider would still send it."""
        ...

    def report(self, delivery: Delivery, *, ok: bool) -> float | None:
        """Note how an attempt went; seconds until the next one."""
        ...


class Fate(StrEnum):
    """What the network did with one attempt."""

    ARRIVED = "arrived"
    DROPPED = "dropped"  # never reached the receiver, and the provider knows
    LOST = "lost"  # never reached the receiver, and something on the way said 200
    DOUBLED = "doubled"  # reached it twice
    UNHEARD = "unheard"  # reached it, but the provider never heard the answer


@dataclass(frozen=True, slots=True)
class Fates:
    """Probabilities, per attempt, of everything but arriving. `reorder` holds a first attempt back a while longer."""

    drop: float = 0.0
    lose: float = 0.0
    double: float = 0.0
    unheard: float = 0.0
    reorder: float = 0.0

    def draw(self, dice: Dice) -> Fate:
        """One attempt's fate."""
        for chance, fate in (
            (self.drop, Fate.DROPPED),
            (self.lose, Fate.LOST),
            (self.double, Fate.DOUBLED),
            (self.unheard, Fate.UNHEARD),
        ):
            if dice.chance(chance):
                return fate
        return Fate.ARRIVED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, as it went. `status` is the receiver's own answer, None if it never got there."""

    at: datetime
    delivery: Delivery
    number: int
    fate: Fate
    status: int | None


class Network:
    """Carries what is in `sender.outbox`. Each fake has its own.

    `delay` is a range of seconds before a first attempt; a reordered one waits up to `held_back` seconds more.
    During `outages` (half-open intervals) nothing arrives and the provider knows. Retries follow the provider's
    schedule, with the original body; `retries=False` makes every first failure final. `given_up` is what the
    provider will not send again, though it never heard a 2xx for it. With `url`, `send` gets only what is meant for
    that address; other subscribers are somebody else's, and answer 200.
    """

    def __init__(
        self,
        sender: Sender,
        clock: Clock,
        send: Send,
        *,
        seed: int = 0,
        fates: Fates | None = None,
        delay: tuple[float, float] = (0.0, 0.0),
        held_back: float = 900.0,
        outages: Sequence[tuple[datetime, datetime]] = (),
        retries: bool = True,
        url: str = "",
    ) -> None:
        self.attempts: list[Attempt] = []
        self.given_up: list[Delivery] = []
        self.fates = fates or Fates()
        self.outages = list(outages)
        self.delay = delay
        self.held_back = held_back
        self.retries = retries
        self.url = url
        self._sender = sender
        self._clock = clock
        self._send = send
        self._dice = Dice(seed)
        self._due: list[tuple[datetime, int, Delivery]] = []
        self._queued = 0

    def next_due(self) -> datetime | None:
        """When the next attempt is due; None if nothing is on its way."""
        self._collect()
        return self._due[0][0] if self._due else None

    def pump(self) -> int:
        """Make every attempt that is due; returns how many that were."""
        self._collect()
        made = 0
        while self._due and self._due[0][0] <= self._clock.now():
            self._attempt(heapq.heappop(self._due)[2])
            self._collect()
            made += 1
        return made

    def discard(self) -> int:
        """Lose everything on its way for good, as a provider that gave up; returns how many that were."""
        self._collect()
        self.given_up.extend(delivery for _, _, delivery in self._due)
        count = len(self._due)
        self._due.clear()
        return count

    def _collect(self) -> None:
        while self._sender.outbox:
            delivery = self._sender.outbox.popleft()
            wait = self._dice.uniform(*self.delay)
            if self._dice.chance(self.fates.reorder):
                wait += self._dice.uniform(0, self.held_back)
            self._queue(delivery, delivery.created, wait)

    def _queue(self, delivery: Delivery, since: datetime, wait: float) -> None:
        self._queued += 1
        heapq.heappush(self._due, (since + timedelta(seconds=wait), self._queued, delivery))

    def _attempt(self, delivery: Delivery) -> None:
        if not self._sender.owed(delivery):
            self.given_up.append(delivery)
            return
        delivery.attempts += 1
        if self.url and delivery.url != self.url:
            self._sender.report(delivery, ok=True)
            return
        fate = Fate.DROPPED if self._is_out() else self.fates.draw(self._dice)
        status = self._carry(delivery, fate)
        heard = 200 if fate is Fate.LOST else None if fate is Fate.UNHEARD else status
        ok = heard is not None and 200 <= heard < 300
        self.attempts.append(Attempt(self._clock.now(), delivery, delivery.attempts, fate, status))
        wait = self._sender.report(delivery, ok=ok)
        if wait is not None and self.retries:
            self._queue(delivery, self._clock.now(), wait)
        elif not ok:
            self.given_up.append(delivery)

    def _carry(self, delivery: Delivery, fate: Fate) -> int | None:
        if fate in {Fate.DROPPED, Fate.LOST}:
            return None
        headers = self._sender.headers_of(delivery)
        if fate is Fate.DOUBLED:
            self._send(headers, delivery.body)
        return self._send(headers, delivery.body)

    def _is_out(self) -> bool:
        now = self._clock.now()
        return any(start <= now < end for start, end in self.outages)


def run_until(when: datetime, clock: SettableClock, networks: Sequence[Network]) -> None:
    """Let time pass until `when`, stopping at every attempt that comes due on the way."""
    while True:
        due = [moment for network in networks if (moment := network.next_due()) is not None]
        if not due or min(due) > when:
            break
        clock.set(max(clock.now(), min(due)))
        for network in networks:
            network.pump()
    clock.set(max(clock.now(), when))


@contextlib.contextmanager
def posting_to(url: str) -> Iterator[Send]:
    """A `send` over real HTTP, as providers do it: no redirects, 5 seconds for each step; 0 is "no answer"."""
    with httpx.Client(timeout=5.0, follow_redirects=False, trust_env=False) as client:

        def send(headers: Mapping[str, str], body: bytes) -> int:
            try:
                return client.post(url, headers=dict(headers), content=body).status_code
            except httpx.TransportError:
                return 0

        yield send
