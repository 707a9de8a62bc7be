"""Which seeds find which planted bugs: to be asked anew whenever histories change.

    PYTHONPATH=tests python -m simulation.hunt [--upkeep] [--most 150] [--hits 3] [bug…]

Each line has a bug, the seeds that find it, and what the checker said first. Copy one seed of each to `FOUND`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice

from simulation import bugs, history
from simulation.planting import Planter
from simulation.story import Violation
from simulation.upkeep import bugs as upkeep_bugs
from simulation.upkeep import history as upkeep_history


def finds(plant: Planter, play: Callable[[int], object], seed: int) -> str:
    """What the checkers say first of a history with a bug planted in it, "" if nothing."""
    with ExitStack() as planted:
        plant(planted)
        try:
            play(seed)
        except Violation as violation:
            return str(violation).splitlines()[0]
    return ""


def found_by(plant: Planter, play: Callable[[int], object], most: int) -> Iterator[tuple[int, str]]:
    """The seeds up to `most` that find a bug, and how."""
    for seed in range(most):
        if told := finds(plant, play, seed):
            yield seed, told


def first(plant: Planter, play: Callable[[int], object], seeds: Iterable[int]) -> int | None:
    """The first of these seeds that finds a bug."""
    return next((seed for seed in seeds if finds(plant, play, seed)), None)


def main() -> None:
    """Print what is found, a bug a line."""
    asked = argparse.ArgumentParser()
    asked.add_argument("bugs", nargs="*", metavar="bug")
    asked.add_argument("--upkeep", action="store_true")
    asked.add_argument("--most", type=int, default=150)
    asked.add_argument("--hits", type=int, default=3)
    options = asked.parse_args()
    known, play = (upkeep_bugs.BUGS, upkeep_history.play) if options.upkeep else (bugs.BUGS, history.play)
    for name in options.bugs or known:
        found = list(islice(found_by(known[name], play, options.most), options.hits))
        told = found[0][1][:160] if found else ""
        sys.stdout.write(f"{name}: {[seed for seed, _ in found]} {told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
