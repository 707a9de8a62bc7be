"""A connector that only reports status, as told."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from reconcile.config import SourceConfig
from reconcile.model import Reported, Subject, TransactionStatus


class NoKeys(BaseModel):
    """A connector without keys of its own."""


def a_source(**keys) -> SourceConfig:
    """A source's configuration in memory."""
    return SourceConfig.model_validate({"name": "gate", "connector": "odd", "settings": NoKeys(), **keys}, by_name=True)


class Odd:
    """Tells of one pending payment whose every word is the same text."""

    def __init__(self, text: str, amount: Decimal | None = Decimal("NaN")) -> None:
        self.text = text
        self.amount = amount

    def told(self, topic, body):
        """One transaction, whatever the body."""
        subject = Subject("payment", self.text)
        return [Reported(subject, TransactionStatus.PENDING, self.text, amount=self.amount, currency=self.text)]

    def listed(self, snapshot):
        """The same."""
        return self.told("", snapshot.body)

    def status(self, client, subject):
        """Nothing."""
        return
