"""Bugs that were never there: each is planted into production code, for the checker to find."""

from __future__ import annotations

from simulation import bugs_dispatch, bugs_reading, bugs_recording
from simulation.planting import BUGS, Planter

__all__ = ["BUGS", "Planter", "bugs_dispatch", "bugs_reading", "bugs_recording"]
