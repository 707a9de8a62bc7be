"""A target that answers by script, and refuses to be used as no real one may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from pydantic import BaseModel

from reconcile.clock import Clock
from reconcile.config import SourceConfig
from reconcile.targets.model import Job, Outcome, Verdict
from support.clock import ManualClock

RETRY = tuple(timedelta(seconds=s) for s in (10, 60, 300))


class _NoSettings(BaseModel):
    """Of a connector nobody asks."""


def a_source(**values: object) -> SourceConfig:
    """A source with a short retry table."""
    given = {"name": "shop", "connector": "shopify", "settings": _NoSettings(), "retry": RETRY} | values
    return SourceConfig(**given)


Answer = Callable[[Job], Verdict]


def handle(_job: Job) -> Verdict:
    """Every event is handled."""
    return Verdict.HANDLED


def by_event(script: Mapping[str, Sequence[Verdict]]) -> Answer:
    """The n-th call of an event is answered by the n-th verdict of its script, calls after its end are handled."""

    def answer(job: Job) -> Verdict:
        verdicts = script.get(job.event.id, ())
        return verdicts[job.number - 1] if job.number <= len(verdicts) else Verdict.HANDLED

    return answer


class ScriptedTarget:
    """Answers in the order submitted, each call taking `seconds`; jobs of `hangs` are never answered.

    Raises when given more jobs than it said it takes, two of one subject at once, or any after a stop.
    """

    def __init__(self, clock: Clock, answer: Answer = handle, *, concurrency: int = 4, seconds: float = 0.0) -> None:
        self.concurrency = concurrency
        self.answer = answer
        self.hangs: set[str] = set()
        self.calls: list[Job] = []
        self.submitted: list[int] = []
        self.stopped: float | None = None
        self.closed = False
        self._clock = clock
        self._seconds = seconds
        self._waiting: list[Job] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs, checking the contract."""
        assert self.stopped is None, "submitted after stop"
        self._waiting += jobs
        self.submitted.append(len(jobs))
        subjects = [job.event.subject for job in self._waiting if job.event.subject]
        assert len(subjects) == len(set(subjects)), "two jobs of one subject at once"
        assert len(self._waiting) <= self.concurrency, "more jobs than it takes"

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        """Everything that does not hang; else `timeout` passes."""
        ready = [job for job in self._waiting if job.event.id not in self.hangs]
        if not ready and self._waiting:
            self._clock.wait(timeout)
        for job in ready:
            self._waiting.remove(job)
            yield self._call(job)

    def in_flight(self) -> int:
        """Jobs not answered."""
        return len(self._waiting)

    def stop(self, grace: float) -> list[Outcome]:
        """What hangs is cut off; what was not begun is given back."""
        self.stopped = grace
        left, self._waiting = self._waiting, []
        now = self._clock.now()
        return [Outcome(job, Verdict.RELEASED, "cut off by a stop", now, now) for job in left]

    def close(self) -> None:
        """Let go."""
        self.closed = True

    def called(self) -> list[str]:
        """The ids of the events called, in order."""
        return [job.event.id for job in self.calls]

    def _call(self, job: Job) -> Outcome:
        self.calls.append(job)
        started = self._clock.now()
        if self._seconds and isinstance(self._clock, ManualClock):
            self._clock.advance(self._seconds)
        verdict = self.answer(job)
        error = "" if verdict is Verdict.HANDLED else f"{verdict} by script"
        return Outcome(job, verdict, error, started, self._clock.now())
