"""How seeds are swept in chunks, most of which only CI plays; and how one is played again, with its trace."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from simulation.story import Story

CHUNKS = 100
CHOSEN = os.environ.get("RECONCILE_SIMULATION_SEED")


def chunks(always: int) -> list[Any]:
    """The numbers of all chunks; the first ones are the README's command's too."""
    return [pytest.param(n, marks=() if n < always else pytest.mark.sweep) for n in range(CHUNKS)]


def tells_the_same_twice(play: Callable[[int], Story], otherwise: int, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether a seed has one trace, which is printed if the seed was chosen."""
    seed = int(CHOSEN or otherwise)
    trace = play(seed).trace
    with capsys.disabled():
        sys.stdout.write("\n".join(trace) if CHOSEN else "")
    return play(seed).trace == trace
