"""A Python handler in our own process: for simulation and debugging. One call at a time, no timeout."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reconcile.clock import Clock
from reconcile.targets.calling import Caller, Claim
from reconcile.targets.exactly_once import Sessions
from reconcile.targets.loading import LoadedHandler
from reconcile.targets.model import Job, Outcome, Verdict
from reconcile.targets.text import one_paragraph

#: Not KeyboardInterrupt, which is the operator's, nor other BaseExceptions: a simulation crashes us with one.
_CONTAINED = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError)


class InProcessTarget:
    """A `Target` that calls the handler when its outcomes are asked for. `sessions` is `Ledger.session`."""

    def __init__(
        self,
        handler: LoadedHandler,
        clock: Clock,
        sessions: Callable[[], Any] | None = None,
        *,
        concurrency: int = 16,
        secrets: Sequence[str] = (),
    ) -> None:
        once = Sessions(sessions, clock) if handler.takes_session and sessions is not None else None
        if handler.takes_session and once is None:
            raise ValueError("a handler that takes a session needs `sessions`")
        self.concurrency = concurrency
        self._caller = Caller(handler, clock, _CONTAINED, once)
        self._clock = clock
        self._secrets = tuple(secrets)
        self._jobs: deque[Job] = deque()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take `jobs`; they run when `outcomes` is asked."""
        self._jobs.extend(jobs)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:  # noqa: ARG002 - the protocol's; nothing is waited for
        """Handle what was submitted, one by one."""
        while self._jobs:
            yield self._deliver(self._jobs.popleft())

    def in_flight(self) -> int:
        """How many submitted jobs have not been handled yet."""
        return len(self._jobs)

    def stop(self, grace: float) -> list[Outcome]:  # noqa: ARG002 - the protocol's; nothing runs between calls
        """Give back what was not begun."""
        now = self._clock.now()
        released = [Outcome(job, Verdict.RELEASED, "", now, now) for job in self._jobs]
        self._jobs.clear()
        return released

    def close(self) -> None:
        """Nothing is held."""
        self._jobs.clear()

    def _deliver(self, job: Job) -> Outcome:
        result = self._caller.call(job.event, Claim(job.seq, job.fence, job.number))
        error = one_paragraph(result.error, self._secrets)
        return Outcome(job, result.verdict, error, result.started_at, result.finished_at, result.marked)
