"""Bugs of upkeep that were never there: each is planted into production code, for the checkers to find."""

from __future__ import annotations

from simulation.upkeep import bugs_hooks, bugs_ladders, bugs_mail
from simulation.upkeep.planted import BUGS

__all__ = ["BUGS", "bugs_hooks", "bugs_ladders", "bugs_mail"]
