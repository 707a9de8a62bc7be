"""What is kept of one transaction. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from reconcile.model import Subject, TransactionStatus

#: Waits before each asking, the first counted from the transaction's own time.
LADDER = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=24),
)


class State(StrEnum):
    """Where a transaction stands with us; what it came to is its `status`."""

    PENDING = "pending"  # on the ladder
    SETTLED = "settled"  # its provider told its end
    UNRESOLVED = "unresolved"  # the ladder ended without one: a person's turn
    MISMATCH = "mismatch"  # what the provider tells contradicts what we knew: a person's turn
    RESOLVED = "resolved"  # settled by hand


#: The states in which a person is waited for.
LEFT = (State.UNRESOLVED, State.MISMATCH)
#: The states of what is not done.
OPEN = (State.PENDING, *LEFT)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction. The next rung counts from `since`; `attempts` is how often it was asked about.

    `tracked`: the app named it, and an amount that is known is the app's own. `answer` is what the last question
    brought, `note` what the person said who settled it. `claim` is the fencing number of its newest claim.
    """

    source: str
    subject: Subject
    state: State
    status: TransactionStatus
    raw: str
    amount: Decimal | None
    currency: str
    tracked: bool
    at: datetime | None
    known_at: datetime
    changed_at: datetime | None
    ended_at: datetime | None
    since: datetime
    attempts: int
    asked_at: datetime | None
    answer: str
    note: str
    claim: int = 0

    def due_at(self, ladder: Sequence[timedelta]) -> datetime | None:
        """When it is asked about next; None once it is off the ladder."""
        if self.state is not State.PENDING:
            return None
        return self.since + (ladder[self.attempts] if self.attempts < len(ladder) else timedelta(0))
