"""One line of a check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconcile.errors import (
    CredentialsRefused,
    LedgerError,
    ProviderError,
    ReconcileError,
    Retriable,
    Stopped,
    reason_of,
)

#: What to do about an error, the first that fits; its own message says more of what happened.
_REMEDIES = {
    CredentialsRefused: "check the credentials of this source and the scopes they were given",
    Retriable: "see that this machine reaches the provider; if it does, check again later",
    ProviderError: "compare base_url and the account's own keys of this source with what the provider says",
    LedgerError: "do what it says, or name another database under `ledger:`; then check again",
    ReconcileError: "mend it where it is said, then check again",
}


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


def failure(area: str, error: ReconcileError, remedy: str = "") -> Finding:
    """An error of ours as a finding, with this remedy or the one for its kind."""
    remedy = remedy or next(text for kind, text in _REMEDIES.items() if isinstance(error, kind))
    return Finding(Level.FAIL, area, reason_of(area, error), remedy, error.exit_code)


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
