"""Python handlers in worker processes: a hung or crashing handler harms only its own event."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

from reconcile.clock import Clock
from reconcile.errors import ConfigError, LedgerError
from reconcile.targets import wire
from reconcile.targets.crew import START_SECONDS, Crew
from reconcile.targets.model import Job, Outcome
from reconcile.targets.text import one_paragraph

WORKERS = 4
_STEP = 3600.0  # seconds: only a bell, a message or a deadline is worth waking for
_UNEXPECTED = "the pool of workers ended unexpectedly; its thread's error is on stderr"
_SLACK = 2.0  # seconds the thread may need beyond the grace it gives


class PythonTarget:
    """A `Target` of worker processes that import `reference` with `folder` on their path.

    `timeout` is seconds for one call. `ledger_url` is opened only by workers whose handler takes a session; on
    SQLite there is then one worker, since it has one writer. Raises `ConfigError` if the handler cannot be loaded,
    `LedgerError` if the workers cannot open the ledger. `takes_session` and `topics` say what was loaded.
    """

    def __init__(
        self,
        reference: str,
        folder: Path,
        clock: Clock,
        *,
        ledger_url: str,
        timeout: float,
        workers: int = WORKERS,
        secrets: Sequence[str] = (),
    ) -> None:
        self._clock = clock
        self._secrets = tuple(secrets)
        self._inbox: SimpleQueue[Job] = SimpleQueue()
        self._outbox: SimpleQueue[Outcome | None] = SimpleQueue()
        self._owed = 0
        self._stop_at: float | None = None
        self._first_is_known = threading.Event()
        self._crew = Crew(wire.Setup(reference, str(folder.resolve()), ledger_url), clock, timeout, self._tell)
        self._thread = threading.Thread(target=self._work, name="reconcile-pool", daemon=True)
        self._thread.start()
        ready = self._await_first()
        self.takes_session = ready.takes_session
        self.topics = None if ready.topics is None else frozenset(ready.topics)
        self._crew.size = 1 if ready.takes_session and ledger_url.startswith("sqlite") else workers

    @property
    def concurrency(self) -> int:
        """How many jobs may be in flight: about half a second of work for each worker, at least two."""
        return self._crew.size * self._crew.pace.ahead

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take `jobs`; the order in which they run is not promised."""
        self._owed += len(jobs)
        for job in jobs:
            self._inbox.put(job)
        if self._thread.is_alive():
            self._crew.wake()
        else:
            self._take()

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        """What finished; waits up to `timeout` seconds for the first if something is in flight."""
        wait = timeout
        while self._owed:
            try:
                outcome = self._outbox.get(timeout=wait) if wait > 0 else self._outbox.get_nowait()
            except Empty:
                return
            wait = 0.0
            yield self._answered(outcome)

    def in_flight(self) -> int:
        """How many submitted jobs have not been answered yet."""
        return self._owed

    def stop(self, grace: float) -> list[Outcome]:
        """Begin nothing more, give running calls `grace` seconds, kill the rest; every outcome still owed."""
        if self._stop_at is None:
            self._end(grace)
        self._thread.join(grace + _SLACK)
        return list(self.outcomes(0.0))

    def close(self) -> None:
        """Kill the workers and let go of everything."""
        self._end(0.0)
        self._thread.join(_SLACK)

    def _end(self, grace: float) -> None:
        self._stop_at = self._clock.monotonic() + grace
        if self._thread.is_alive():
            self._crew.wake()

    def _answered(self, outcome: Outcome | None) -> Outcome:
        if outcome is None:
            raise RuntimeError(_UNEXPECTED)
        self._owed -= 1
        return outcome

    def _await_first(self) -> wire.Ready:
        self._first_is_known.wait(START_SECONDS + _SLACK)
        first = self._crew.first
        if isinstance(first, wire.Ready):
            return first
        self.close()
        if first is None:
            raise RuntimeError(_UNEXPECTED)
        error = one_paragraph(first.error, self._secrets)
        raise ConfigError(error) if first.of_config else LedgerError(error)

    def _tell(self, outcome: Outcome) -> None:
        if outcome.error:
            outcome = replace(outcome, error=one_paragraph(outcome.error, self._secrets))
        self._outbox.put(outcome)

    def _work(self) -> None:
        """The thread: it alone starts processes, for the kernel ties their lives to the thread that did."""
        try:
            self._crew.hire()
            while self._stop_at is None:
                self._crew.step(_STEP)
                self._take()
                self._report_first()
            self._finish()
        except BaseException:
            self._outbox.put(None)
            raise
        finally:
            self._first_is_known.set()
            self._crew.close()

    def _take(self) -> None:
        jobs = []
        while not self._inbox.empty():
            jobs.append(self._inbox.get_nowait())
        self._crew.take(jobs)

    def _report_first(self) -> None:
        if self._crew.first is not None and not self._first_is_known.is_set():
            self._first_is_known.set()

    def _finish(self) -> None:
        assert self._stop_at is not None  # noqa: S101 - narrows for mypy; the loop above ends no other way
        self._crew.halt()
        while not self._crew.empty:
            left = self._stop_at - self._clock.monotonic()
            if left > 0:
                self._crew.step(left)
            else:
                self._crew.cut_off()
        self._take()
