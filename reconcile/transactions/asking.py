"""Asking a source's provider about everything that is due: claim, ask, enter; as fast as the source's rate allows.

Several threads ask, each with one transaction at a time and no open commit meanwhile; rows are claimed some at a time,
so that memory stays flat and other runners find work too.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TypeVar

from reconcile import failpoints
from reconcile.clock import Stop
from reconcile.config import SourceConfig
from reconcile.connector import Connector, ReportsStatus
from reconcile.context import Context
from reconcile.errors import CredentialsRefused, NotFound, ProviderError, Rejected, Stopped
from reconcile.http import ProviderClient
from reconcile.ledger import claims, transactions
from reconcile.model import Reported
from reconcile.reading import recorded
from reconcile.transactions.answers import Answer, Answered, Came, Desk
from reconcile.transactions.ladders import ladder_of
from reconcile.transactions.telling import fit
from reconcile.transactions.transaction import Transaction

log = logging.getLogger(__name__)

#: A provider that cannot be asked so often in a row is left alone until the next run.
ENOUGH = 5
#: How long an answer may take without holding up the source's rate, in seconds.
_LATENCY = 0.5
_MOST_THREADS = 32
#: How long a commit waits for one more answer, in seconds.
_LINGER = 0.02
T = TypeVar("T")


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


class Asker:
    """Asks about what of one source is due by `due_by`."""

    def __init__(self, context: Context, source: SourceConfig, connector: Connector, due_by: datetime) -> None:
        self.tally = Tally()
        self._context = context
        self._connector = connector
        self._due_by = due_by
        self._enough = Stop()
        self._lock = threading.Lock()
        self._desk = Desk(
            ledger=context.ledger,
            source=source,
            connector=connector,
            ladder=ladder_of(context.config, source),
            owner=claims.owner_name(context.holder.name),
            run_id=context.run_id,
            elsewhere=recorded.of(source),
        )

    def run(self) -> Tally:
        """Ask until nothing is due, the provider cannot be asked, or a stop; what was claimed in vain is given back."""
        self._take_over()
        client = self._context.client(self._desk.source, self._connector)
        try:
            if self._context.threads:
                self._side_by_side(client)
            else:
                self._one_by_one(client)
        finally:
            client.close()
            self._give_back()
        return self.tally

    def _one_by_one(self, client: ProviderClient) -> None:
        while batch := self._claim(1):
            if (answered := self._one(client, batch[0])) is not None:
                self._enter([answered])

    def _side_by_side(self, client: ProviderClient) -> None:
        threads = self._threads()
        done: SimpleQueue[Answered | BaseException | None] = SimpleQueue()

        def work(one: Transaction) -> None:
            try:
                done.put(self._one(client, one))
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for it
                done.put(error)

        running = 0
        with ThreadPoolExecutor(threads, thread_name_prefix=f"ask {self._desk.source.name}") as pool:
            while True:
                if running <= 2 * threads:
                    batch = self._claim(2 * threads)
                    running += len(batch)
                    for one in batch:
                        pool.submit(work, one)
                if not running:
                    return
                answers = _gather(done, min(running, threads))
                running -= len(answers)
                self._enter([one for one in answers if isinstance(one, Answered)])
                self._raise(answers)

    def _raise(self, answers: Iterable[object]) -> None:
        for error in answers:
            if isinstance(error, BaseException):
                self._enough.set()
                raise error

    def _enter(self, answered: list[Answered]) -> None:
        try:
            self.tally.came += self._desk.enter(answered) if answered else Counter()
        except BaseException:
            self._enough.set()  # nobody asks on for answers that cannot be kept
            raise

    def _threads(self) -> int:
        rate = self._desk.source.http.rate or self._connector.facts.rate
        return min(_MOST_THREADS, max(self._context.threads, math.ceil(rate * _LATENCY)))

    def _claim(self, number: int) -> list[Transaction]:
        if self._enough.is_set() or self._context.stop.is_set():
            return []
        desk = self._desk
        with self._context.ledger.write() as tx:
            found = transactions.claim(tx, desk.source.name, desk.ladder, desk.owner, self._due_by, number)
        if found:
            failpoints.reach("transaction.claimed")
        return found

    def _take_over(self) -> None:
        """What a runner had claimed whose process is gone need not wait for its claims to run out."""
        name = self._desk.source.name
        with self._context.ledger.read() as tx:
            gone = [owner for owner in transactions.owners(tx, name) if claims.owner_gone(owner)]
        self._free(gone)

    def _give_back(self) -> None:
        with self._context.ledger.read() as tx:
            ours = [one for one in transactions.owners(tx, self._desk.source.name) if one == self._desk.owner]
        self._free(ours)

    def _free(self, owners: list[str]) -> None:
        if owners:
            with self._context.ledger.write() as tx:
                transactions.unclaim(tx, self._desk.source.name, owners)

    def _one(self, client: ProviderClient, claimed: Transaction) -> Answered | None:
        """Ask about one; None if there is no answer to enter, and its claim is given back in the end."""
        if self._enough.is_set() or self._context.stop.is_set():
            return None
        try:
            return Answered(claimed, self._ask(client, claimed))
        except Stopped:
            return None
        except CredentialsRefused as error:
            self._refused(error)
            return None

    def _ask(self, client: ProviderClient, claimed: Transaction) -> Answer:
        """Whatever comes instead of a status keeps the state it has (P2)."""
        assert isinstance(self._connector, ReportsStatus)  # noqa: S101 - narrows for mypy; the job has asked
        try:
            reported = self._connector.status(client, claimed.subject)
            answer = Answer(None) if reported is None else self._answered(fit(reported))
        except (CredentialsRefused, Stopped):
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
        return self._desk.facts(reported) if reported.status.terminal else Answer(reported)

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

    def _refused(self, error: CredentialsRefused) -> None:
        self._enough.set()
        with self._lock:
            self.tally.error = str(error)
            self.tally.refused = error
            self.tally.codes.append(error.exit_code)


def _gather(done: SimpleQueue[T], most: int) -> list[T]:
    """The next answer, and those that come right after it, so that they share a commit."""
    found = [done.get()]
    while len(found) < most:
        try:
            found.append(done.get(timeout=_LINGER))
        except Empty:
            break
    return found
