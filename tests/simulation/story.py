"""How any history is told: played in its world, counted, and shown with what went before where it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from simulation.stage import Stage


class Violation(AssertionError):
    """An invariant did not hold; the message has the seed and what went before."""


@dataclass
class Story:
    """What a history came to: counted, so that a sweep can show that it met what it was made to meet."""

    seed: int
    runs: int = 0
    killed: int = 0
    busy: int = 0
    effects: int = 0
    trace: list[str] = field(default_factory=list)


Told_co = TypeVar("Told_co", bound=Story, covariant=True)


class History(Protocol[Told_co]):
    """What is played once."""

    def play(self) -> Told_co:
        """Everything, in order."""

    def close(self) -> None:
        """Let go of files."""


def tell(seed: int, world: Stage, begin: Callable[[], History[Told_co]]) -> Told_co:
    """Play a history in its world; raises `Violation` as soon as a checker finds one."""
    try:
        with world.installed():
            history = begin()
            try:
                return history.play()
            finally:
                history.close()
    except AssertionError as error:
        raise Violation(f"seed {seed}: {error}\n" + "\n".join(world.trace[-80:])) from error
