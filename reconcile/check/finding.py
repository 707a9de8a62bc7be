"""One line of a check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconcile.errors import ReconcileError, Stopped


class Level(StrEnum):
    """How good a finding is. A warning changes no exit code."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do about it. `exit_code` is what a failure ends in."""

    level: Level
    area: str
    what: str
    remedy: str = ""
    exit_code: int = 0


def failure(area: str, error: ReconcileError) -> Finding:
    """An error of ours as a finding: its message says what to do already."""
    return Finding(Level.FAIL, area, str(error).removeprefix(f"{area}: "), exit_code=error.exit_code)


def guarded(area: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """`findings` to their end, or to the error that ended them, as a finding: the next check is made all the same.

    A stop is let through. What a connector or an app raises on its own is its bug, not the end of the check.
    """
    try:
        yield from findings
    except Stopped:
        raise
    except ReconcileError as error:
        yield failure(area, error)
    except Exception as error:  # noqa: BLE001 - code of others: whatever it raises is what we are here to find
        what = f"the check itself failed: {type(error).__name__}: {error}"
        yield Finding(Level.FAIL, area, what, "report it to whoever maintains the connector or handler", exit_code=1)
