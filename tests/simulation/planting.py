"""How bugs are planted: a planter is given an `ExitStack`, into which it enters its patches of production code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

Planter = Callable[[ExitStack], None]
#: Every bug by its name.
BUGS: dict[str, Planter] = {}


def bug(plant: Planter) -> Planter:
    """Add a planter to the list of bugs."""
    assert plant.__name__ not in BUGS, plant.__name__
    BUGS[plant.__name__] = plant
    return plant


def swap(stack: ExitStack, owner: Any, name: str, new: Any) -> None:
    """Put `new` in the place of `owner.name` until the stack is closed."""
    stack.enter_context(mock.patch.object(owner, name, new))
