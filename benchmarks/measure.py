"""CPU and wall time of this process, and a table of ratios."""

from __future__ import annotations

import gc
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence


def cpu_seconds() -> float:
    """CPU time of this process so far, its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def best(run: Callable[[], int], rounds: int, clock: Callable[[], float] = cpu_seconds) -> float:
    """Microseconds per item of the best of `rounds`: `run` returns how many items it did."""
    found = []
    for _ in range(rounds):
        gc.collect()
        start = clock()
        items = run()
        found.append((clock() - start) / items * 1e6)
    return min(found)


def alternating(
    runs: Sequence[Callable[[], int]], rounds: int, clock: Callable[[], float] = cpu_seconds
) -> list[float]:
    """`best` of each, their rounds taken in turns, so that a noisy minute disturbs all of them alike."""
    found = [float("inf")] * len(runs)
    for _ in range(rounds):
        for place, run in enumerate(runs):
            found[place] = min(found[place], best(run, 1, clock))
    return found


def machine() -> str:
    """What this was measured on."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def wall() -> float:
    """Seconds on a clock that never jumps."""
    return time.perf_counter()


def verdict(name: str, ratio: float, goal: float, *, at_least: bool = False) -> None:
    """Print a ratio beside its goal."""
    good = ratio >= goal if at_least else ratio <= goal
    sign = "≥" if at_least else "≤"
    print(f"  {name:<58} {ratio:8.2f}×   goal {sign} {goal:g}×   {'ok' if good else 'MISSED'}")
