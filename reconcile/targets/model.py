"""What a target is given, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from reconcile.model import Event


class Verdict(StrEnum):
    """How one job ended."""

    HANDLED = "handled"
    FAILED = "failed"  # counts as an attempt
    REJECTED = "rejected"  # dead at once: trying again cannot help
    UNREACHABLE = "unreachable"  # the target as a whole: counts towards its pause
    LOST = "lost"  # the claim is no longer ours: nothing to mark
    RELEASED = "released"  # not tried, or cut off by a stop (then `error` says so): does not count


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed event. `fence` is its claim's fencing number, `number` the attempt it is to be recorded as."""

    seq: int
    fence: int
    owner: str
    event: Event
    number: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job.

    `error` is one paragraph of at most 2000 characters, without control characters and secrets.
    `started_at` and `finished_at` are UTC. `marked`: the handled mark is committed already, with the effect.
    """

    job: Job
    verdict: Verdict
    error: str
    started_at: datetime
    finished_at: datetime
    marked: bool = False


class Target(Protocol):
    """Delivers jobs. Used from one thread; never given two jobs of one subject at the same time."""

    @property
    def concurrency(self) -> int:
        """How many jobs may be in flight now; asked again for each submit, it follows how fast they are."""
        ...

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take `jobs`; never blocks long."""
        ...

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        """What finished. Waits up to `timeout` seconds for the first, not at all when nothing is in flight."""
        ...

    def in_flight(self) -> int:
        """How many submitted jobs have not been answered yet."""
        ...

    def stop(self, grace: float) -> list[Outcome]:
        """Begin nothing more, give running calls `grace` seconds, cut off the rest; every outcome still owed."""
        ...

    def close(self) -> None:
        """Stop at once and let go of everything; may be called again."""
        ...
