"""The list of upkeep's planted bugs."""

from __future__ import annotations

from simulation.planting import Planter, among

#: Every bug of the histories of upkeep, by its name.
BUGS: dict[str, Planter] = {}
bug = among(BUGS)
