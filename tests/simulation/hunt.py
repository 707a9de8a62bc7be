"""Which seeds find which planted bugs: to be asked anew whenever histories change.

    PYTHONPATH=tests python -m simulation.hunt [--most 150] [--hits 3] [bug…]

Each line has a bug, the seeds that find it, and what the checker said first. Copy one seed of each to `FOUND`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

from simulation.bugs import BUGS
from simulation.history import Violation, play


def found_by(name: str, most: int) -> Iterator[tuple[int, str]]:
    """The seeds up to `most` that find a bug, and how."""
    for seed in range(most):
        with ExitStack() as planted:
            BUGS[name](planted)
            try:
                play(seed)
            except Violation as violation:
                yield seed, str(violation).splitlines()[0]


def main() -> None:
    """Print what is found, a bug a line."""
    asked = argparse.ArgumentParser()
    asked.add_argument("bugs", nargs="*", choices=[[], *BUGS], metavar="bug")
    asked.add_argument("--most", type=int, default=150)
    asked.add_argument("--hits", type=int, default=3)
    options = asked.parse_args()
    for name in options.bugs or BUGS:
        found = list(islice(found_by(name, options.most), options.hits))
        told = found[0][1][:160] if found else ""
        sys.stdout.write(f"{name}: {[seed for seed, _ in found]} {told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
