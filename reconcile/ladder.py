"""When to try again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


def next_rung(attempts: int, ladder: Sequence[timedelta]) -> timedelta | None:
    """How long to wait after `attempts` tries that did not settle it; None after the last rung."""
    return ladder[attempts - 1] if 0 < attempts <= len(ladder) else None
