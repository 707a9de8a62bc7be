"""CPU and wall time of this process, and a table of ratios."""

from __future__ import annotations

import gc
import itertools
import os
import platform
import re
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


def cpu_seconds() -> float:
    """CPU time of this process so far, its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Spent(NamedTuple):
    """Wall and CPU time in microseconds, and bytes written to files; child processes that live through it included."""

    wall: float
    cpu: float
    children: float
    written: float

    def per(self, items: int) -> Spent:
        """Its share for one of `items`."""
        return Spent(*(one / items for one in self))

    def __str__(self) -> str:
        cpu = f"{self.cpu:5.0f} µs of CPU" + (f" + {self.children:4.0f} in a worker" if self.children else "")
        return f"{self.wall:5.0f} µs, {self.written / 1000:5.1f} kB written, {cpu}"


class Spending:
    """What is spent between two looks; `per` once both were taken."""

    def __init__(self) -> None:
        self._from = _spent()
        self._until = self._from

    def stop(self) -> None:
        """The second look."""
        self._until = _spent()

    def per(self, items: int) -> Spent:
        """The share of one item."""
        return Spent(*(later - earlier for earlier, later in zip(self._from, self._until, strict=True))).per(items)


@contextmanager
def spending() -> Iterator[Spending]:
    """What its block spends."""
    gc.collect()
    found = Spending()
    yield found
    found.stop()


def middle(found: Sequence[Spent]) -> Spent:
    """The median of each."""
    return Spent(*map(statistics.median, zip(*found, strict=True)))


def _spent() -> Spent:
    children = [int(pid) for task in Path("/proc/self/task").iterdir() for pid in _read(task / "children").split()]
    ticks = os.sysconf("SC_CLK_TCK")
    times = [_read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[11:13] for pid in children]
    busy = sum(map(int, itertools.chain(*times))) / ticks
    written = sum(_written(name) for name in ("self", *map(str, children)))
    return Spent(wall() * 1e6, cpu_seconds() * 1e6, busy * 1e6, written)


def _written(process: str) -> int:
    found = re.search(r"wchar: (\d+)", _read(Path(f"/proc/{process}/io")))
    return int(found[1]) if found else 0


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""


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
