"""What is asked of a provider about transactions, and what failing answers come to: one at a time or many together.

Where the provider has a list by id, one question is about many. Whichever it does not settle is asked about alone.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconcile.clock import Stop
from reconcile.connector import Connector, ReportsStatus, ReportsTogether
from reconcile.errors import (
    BadAnswer,
    ConfigError,
    CredentialsRefused,
    LedgerError,
    NotFound,
    ProviderError,
    ReconcileError,
    Rejected,
    Stopped,
)
from reconcile.http import ProviderClient
from reconcile.ledger.rowset import chunks
from reconcile.model import Reported, Subject
from reconcile.safe import safe
from reconcile.transactions.answers import Answer, Answered, Came, Desk
from reconcile.transactions.telling import fit
from reconcile.transactions.transaction import Transaction

log = logging.getLogger(__name__)

#: A provider that cannot be asked so often in a row is left alone until the next run.
ENOUGH = 5
#: How many are claimed for questions about many: alone, and twice each, they are asked about within a claim's life.
_MANY = 100


@dataclass(slots=True)
class Tally:
    """What asking about one source came to. `bug` is what a connector raised that none of ours does."""

    came: Counter[Came] = field(default_factory=Counter)
    failed: int = 0
    in_a_row: int = 0
    error: str = ""
    refused: CredentialsRefused | None = None
    codes: list[int] = field(default_factory=list)
    bug: Exception | None = None

    @property
    def checked(self) -> int:
        """How many were asked about."""
        return self.came.total()


class _Away(Exception):
    """The provider told an end; what the app or the ledger knows of it cannot be asked for now."""

    def __init__(self, error: ReconcileError) -> None:
        super().__init__(str(error))
        self.error = error


class Questions:
    """Questions to the provider of `desk`'s source, for as long as it can be asked and no stop was asked for."""

    def __init__(self, desk: Desk, connector: Connector, stop: Stop) -> None:
        self.tally = Tally()
        self.most = _MANY if isinstance(connector, ReportsTogether) else 1
        self._desk = desk
        self._connector = connector
        self._stop = stop
        self._enough = Stop()
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        """Whether nothing more is to be asked in this run."""
        return self._enough.is_set() or self._stop.is_set()

    def end(self) -> None:
        """Ask nothing more: what would be answered could not be kept."""
        self._enough.set()

    def cut(self, batch: Sequence[Transaction]) -> list[Sequence[Transaction]]:
        """What is asked about in one question each: as many of a type as the provider answers for."""
        of: dict[str, list[Transaction]] = {}
        for one in batch:
            of.setdefault(one.subject.type, []).append(one)
        return [part for type_, some in of.items() for part in chunks(some, self._size(type_))]

    def ask(self, client: ProviderClient, some: Sequence[Transaction]) -> list[Answered]:
        """Every answer to enter; the claims of what was not asked about any more are given back in the end."""
        told = self._together(client, [one.subject for one in some]) if len(some) > 1 else {}
        answered = [Answered(one, told[one.subject]) for one in some if one.subject in told]
        alone = (self._one(client, one) for one in some if one.subject not in told)
        return answered + [one for one in alone if one is not None]

    def _size(self, type_: str) -> int:
        if not isinstance(self._connector, ReportsTogether):
            return 1
        return max(1, min(self.most, self._connector.together(type_)))

    def _together(self, client: ProviderClient, subjects: Sequence[Subject]) -> Mapping[Subject, Answer]:
        """What one question settles. One that fails is not tried again: asked alone, each says what is wrong."""
        if self.over or self.most == 1 or not isinstance(self._connector, ReportsTogether):
            return {}
        try:
            found = self._connector.statuses(client, subjects)
            return {subject: self._answered(fit(found[subject])) for subject in subjects if subject in found}
        except (_Away, Stopped):
            return {}  # asked alone, the first one says so
        except Exception as error:  # noqa: BLE001 - asking alone comes to the same, and says which one it is
            self.most = 1
            told = str(error) if isinstance(error, ReconcileError) else type(error).__name__
            log.warning(
                "%s: asking about many at once failed, so each is asked about alone: %s", self._desk.source.name, told
            )
            return {}

    def _one(self, client: ProviderClient, claimed: Transaction) -> Answered | None:
        """Ask about one; None if there is no answer to enter, and its claim is given back in the end."""
        if self.over:
            return None
        try:
            return Answered(claimed, self._ask(client, claimed))
        except Stopped:
            return None
        except CredentialsRefused as error:
            with self._lock:
                self.tally.refused = error
            self._end_by(error)
        except _Away as away:
            self._end_by(away.error)
        return None

    def _ask(self, client: ProviderClient, claimed: Transaction) -> Answer:
        """Whatever comes instead of a status keeps the state it has (P2)."""
        assert isinstance(self._connector, ReportsStatus)  # noqa: S101 - narrows for mypy; the job has asked
        try:
            reported = self._connector.status(client, claimed.subject)
            answer = Answer(None) if reported is None else self._answered(_about(claimed, fit(reported)))
        except (CredentialsRefused, Stopped, _Away):
            raise
        except NotFound:
            answer = Answer(None)
        except ProviderError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - one that its connector chokes on must not keep the others waiting
            with self._lock:
                self.tally.bug = self.tally.bug or error
            return Answer(None, f"asking failed with a bug: {type(error).__name__}")
        with self._lock:
            self.tally.in_a_row = 0
        return answer

    def _answered(self, reported: Reported) -> Answer:
        if not reported.status.terminal:
            return Answer(reported)
        try:
            return self._desk.facts(reported)
        except (ConfigError, LedgerError) as error:
            raise _Away(error) from error

    def _failed(self, error: ProviderError) -> Answer:
        """An answer that makes no sense is about one transaction; no answer at all is about the provider."""
        with self._lock:
            self.tally.failed += 1
            self.tally.error = self.tally.error or str(error)
            self.tally.codes.append(error.exit_code)
            self.tally.in_a_row = 0 if isinstance(error, Rejected) else self.tally.in_a_row + 1
            if self.tally.in_a_row >= ENOUGH:
                self._enough.set()
        return Answer(None, f"it could not be asked about: {error}")

    def _end_by(self, error: ReconcileError) -> None:
        """Ask about nothing more in this run; no rung is spent by it."""
        self.end()
        with self._lock:
            self.tally.error = str(error)
            self.tally.codes.append(error.exit_code)


def _about(claimed: Transaction, reported: Reported) -> Reported:
    """`reported`, if it is about what was asked: a proxy may mix up answers, and amounts are often the same."""
    if reported.subject.id != claimed.subject.id:
        told = safe(str(reported.subject))
        raise BadAnswer(f"{claimed.source}: it was asked about {claimed.subject} and answered about {told}")
    return reported
