"""How bugs are planted: a planter is given an `ExitStack`, into which it enters its patches of production code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

Planter = Callable[[ExitStack], None]
#: Every bug of the histories of backfill and dispatch, by its name.
BUGS: dict[str, Planter] = {}


def among(bugs: dict[str, Planter]) -> Callable[[Planter], Planter]:
    """The decorator that adds a planter to a list of bugs."""

    def add(plant: Planter) -> Planter:
        assert plant.__name__ not in bugs, plant.__name__
        bugs[plant.__name__] = plant
        return plant

    return add


bug = among(BUGS)


def swap(stack: ExitStack, owner: Any, name: str, new: Any) -> None:
    """Put `new` in the place of `owner.name` until the stack is closed."""
    stack.enter_context(mock.patch.object(owner, name, new))
