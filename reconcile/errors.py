"""Errors, named by what happens next.

    ReconcileError
    ├── ConfigError            exit 2: the operator mends the configuration
    ├── LedgerError            exit 5: nothing was lost; safe to run again
    │   └── LeaseLost          the holder abandons its work; another has it
    ├── Busy                   exit 75: another runner holds the source
    ├── Stopped                exit 130/143: a signal asked us to stop
    ├── DeliveryRefused        the receiver answers a status that is not 2xx
    └── ProviderError          exit 4: coverage not reached
        ├── Retriable          tenacity retries exactly this
        ├── Rejected           retrying cannot help
        │   ├── NotFound       404 or 410: the thing is not there
        │   └── BadAnswer      200, but not what was asked for: never "nothing missing"
        └── CredentialsRefused 401 or 403: the operator mends the credentials

A command that meets several of them exits with the one that `reconcile.report.exit_code` ranks first.
"""

from __future__ import annotations

#: Exit codes of a run that did what it was asked to; with 3, something is left for a person.
ENDED_WELL = (0, 3)


class ReconcileError(Exception):
    """Every error this project raises on purpose; its message says what happened, where, and what to do."""

    exit_code = 1


class ConfigError(ReconcileError):
    """The configuration cannot be used. `problems` are lines of `file:line:column key.path: reason`."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class LedgerError(ReconcileError):
    """The ledger cannot be read or written; nothing was half-written."""

    exit_code = 5


class LeaseLost(LedgerError):
    """A write came with an outdated fencing number: another runner holds the lease or claim now."""

    exit_code = 75


class Busy(ReconcileError):
    """Another runner holds the source."""

    exit_code = 75


class Stopped(ReconcileError):
    """A stop was asked for; everything committed so far stays, the rest is resumable."""

    exit_code = 143


class DeliveryRefused(ReconcileError):
    """A delivery is not accepted; `status` is the HTTP status to answer with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ProviderError(ReconcileError):
    """A provider could not be asked, or its answer cannot be used."""

    exit_code = 4


class Retriable(ProviderError):
    """A passing fault: timeout, reset, 429, 5xx. `retry_after` is the provider's wish, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(ProviderError):
    """The provider says no, and would say so again. `status` is the HTTP status, 0 if there was none."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFound(Rejected):
    """404 or 410: what was asked for is not there."""


class BadAnswer(Rejected):
    """A successful answer that is not what was asked for: HTML, a missing key, a cursor loop, too large."""


class CredentialsRefused(ProviderError):
    """401 or 403: the provider does not accept the credentials, or they lack a scope."""


def reason_of(source: str, error: object) -> str:
    """What `error` says, without the name of `source` before it: a provider's errors begin with it, others do not."""
    return str(error).removeprefix(f"{source}: ")
