"""Scripted faults around a fake: what a provider, a proxy or a network does to one request or to all of them.

    faults = Faults(fake)
    faults.add(rate_limited("7"), path="/orders.json", nth=2)
    client = httpx.Client(transport=httpx.MockTransport(faults.handle))    # or serve(faults)

Faults of the transport raise httpx's own errors in one process; `sandbox.server` makes the same happen on the wire.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from reconcile.sandbox.fake import Handle


class Answers(Protocol):
    """A fake, or faults around one."""

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        ...


Fault = Callable[[httpx.Request, Handle], httpx.Response]


@dataclass(slots=True)
class Rule:
    """One fault, and which requests it happens to.

    `method` and `path` (a regular expression, searched) select requests; of those it skips `nth - 1` and then
    happens `times` times, for ever if 0. `seen` and `happened` count.
    """

    fault: Fault
    method: str = ""
    path: str = ""
    nth: int = 1
    times: int = 1
    seen: int = 0
    happened: int = 0

    def counts(self, request: httpx.Request) -> bool:
        """Count the request if it matches, and say whether the fault is due to happen to it."""
        if (self.method and request.method != self.method) or not re.search(self.path, str(request.url)):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times == 0 or self.happened < self.times)


@dataclass
class Faults:
    """Passes requests on to `fake`, unless a rule is due; the first that is wins, all of them count. Thread-safe."""

    fake: Answers
    rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, fault: Fault, *, method: str = "", path: str = "", nth: int = 1, times: int = 1) -> Rule:
        """Script a fault: see `Rule` for which requests it happens to. `times=0` is for ever."""
        rule = Rule(fault, method, path, nth, times)
        with self._lock:
            self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """The trouble is over."""
        with self._lock:
            self.rules.clear()

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, well or badly."""
        with self._lock:
            due = [rule for rule in self.rules if rule.counts(request)]
            for rule in due[:1]:
                rule.happened += 1
        return due[0].fault(request, self.fake.handle) if due else self.fake.handle(request)
