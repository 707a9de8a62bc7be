"""What a fake gateway keeps: payments, each with every state it was in and when that shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from reconcile.model import TransactionStatus


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it stands at one moment. `word` is the provider's own for its status."""

    id: str
    reference: str
    serial: int
    amount: Decimal
    currency: str
    status: TransactionStatus
    word: str
    created: datetime
    updated: datetime


@dataclass(slots=True)
class Row:
    """A payment's history: (when it shows in lists, the state), oldest first."""

    states: list[tuple[datetime, Payment]] = field(default_factory=list)

    @property
    def now(self) -> Payment:
        """As it really is."""
        return self.states[-1][1]

    def seen(self, when: datetime) -> Payment | None:
        """As lists show it at `when`, None if not yet."""
        shown = [payment for visible, payment in self.states if visible <= when]
        return shown[-1] if shown else None

    def become(self, status: TransactionStatus, word: str, at: datetime, visible: datetime) -> Payment:
        """Change it."""
        changed = replace(self.now, status=status, word=word, updated=at)
        self.states.append((visible, changed))
        return changed
