"""Asking a source's provider about everything that is due: claim, ask, enter; as fast as the source's rate allows.

Several threads ask, each with one question at a time and no open commit meanwhile; rows are claimed some at a time, so
that memory stays flat and other runners find work too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TypeVar

from reconcile import failpoints
from reconcile.config import SourceConfig
from reconcile.connector import Connector
from reconcile.context import Context
from reconcile.http import ProviderClient
from reconcile.ledger import process, transactions
from reconcile.reading import recorded
from reconcile.transactions.answers import Answered, Desk
from reconcile.transactions.ladders import ladder_of
from reconcile.transactions.questions import Questions, Tally
from reconcile.transactions.transaction import Transaction

#: How long an answer may take without holding up the source's rate, in seconds.
_LATENCY = 0.5
_MOST_THREADS = 32
#: How long a commit waits for one more answer, in seconds.
_LINGER = 0.02
T = TypeVar("T")


class Asker:
    """Asks about what of one source is due by `due_by`."""

    def __init__(self, context: Context, source: SourceConfig, connector: Connector, due_by: datetime) -> None:
        self._context = context
        self._connector = connector
        self._due_by = due_by
        self._desk = Desk(
            ledger=context.ledger,
            source=source,
            connector=connector,
            ladder=ladder_of(context.config, source),
            # The name of this one alone: what others hold is theirs.
            owner=process.owner_name(context.holder.another().name),
            run_id=context.run_id,
            elsewhere=recorded.of(source),
        )
        self._questions = Questions(self._desk, connector, context.stop)

    def run(self) -> Tally:
        """Ask until nothing is due, the provider cannot be asked, or a stop; what was claimed in vain is given back."""
        self._take_over()
        self._announce()
        client = self._context.client(self._desk.source, self._connector)
        try:
            if self._context.threads:
                self._side_by_side(client)
            else:
                self._one_by_one(client)
        finally:
            client.close()
            self._give_back()
        return self._questions.tally

    def _one_by_one(self, client: ProviderClient) -> None:
        while batch := self._claim(self._questions.most):
            for some in self._questions.cut(batch):
                self._enter(self._questions.ask(client, some))

    def _side_by_side(self, client: ProviderClient) -> None:
        threads = self._threads()
        done: SimpleQueue[list[Answered] | BaseException] = SimpleQueue()

        def work(some: Sequence[Transaction]) -> None:
            try:
                done.put(self._questions.ask(client, some))
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for it
                done.put(error)

        running = 0
        with ThreadPoolExecutor(threads, thread_name_prefix=f"ask {self._desk.source.name}") as pool:
            while True:
                if running <= threads:
                    questions = self._questions.cut(self._claim(max(2 * threads, self._questions.most)))
                    running += len(questions)
                    for some in questions:
                        pool.submit(work, some)
                if not running:
                    return
                answers = _gather(done, min(running, threads))
                running -= len(answers)
                self._enter([one for some in answers if isinstance(some, list) for one in some])
                self._raise(answers)

    def _raise(self, answers: Iterable[object]) -> None:
        for error in answers:
            if isinstance(error, BaseException):
                self._questions.end()
                raise error

    def _enter(self, answered: list[Answered]) -> None:
        try:
            self._questions.tally.came += self._desk.enter(answered) if answered else Counter()
            self._context.progress.asked(self._desk.source.name, len(answered))
        except BaseException:
            self._questions.end()  # nobody asks on for answers that cannot be kept
            raise

    def _threads(self) -> int:
        rate = self._desk.source.http.rate or self._connector.facts.rate
        return min(_MOST_THREADS, max(self._context.threads, math.ceil(rate * _LATENCY)))

    def _claim(self, number: int) -> list[Transaction]:
        if self._questions.over:
            return []
        desk = self._desk
        with self._context.ledger.write() as tx:
            found = transactions.claim(tx, desk.source.name, desk.ladder, desk.owner, self._due_by, number)
        if found:
            failpoints.reach("transaction.claimed")
        return found

    def _announce(self) -> None:
        desk = self._desk
        with self._context.ledger.read() as tx:
            due = transactions.count_due(tx, desk.source.name, desk.ladder, self._due_by)
        self._context.progress.ask(desk.source.name, due)

    def _take_over(self) -> None:
        """What a runner had claimed whose process is gone need not wait for its claims to run out."""
        name = self._desk.source.name
        with self._context.ledger.read() as tx:
            gone = [owner for owner in transactions.owners(tx, name) if process.owner_gone(owner)]
        self._free(gone)

    def _give_back(self) -> None:
        with self._context.ledger.read() as tx:
            ours = [one for one in transactions.owners(tx, self._desk.source.name) if one == self._desk.owner]
        self._free(ours)

    def _free(self, owners: list[str]) -> None:
        if owners:
            with self._context.ledger.write() as tx:
                transactions.unclaim(tx, self._desk.source.name, owners)


def _gather(done: SimpleQueue[T], most: int) -> list[T]:
    """The next answer, and those that come right after it, so that they share a commit."""
    found = [done.get()]
    while len(found) < most:
        try:
            found.append(done.get(timeout=_LINGER))
        except Empty:
            break
    return found
