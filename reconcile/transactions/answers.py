"""What a question brought, and entering it: applied only if the transaction is still on the ladder (P1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec

from reconcile import failpoints, inbox
from reconcile.config import SourceConfig
from reconcile.connector import Connector
from reconcile.diff import rebuilt
from reconcile.inbox import Book
from reconcile.ledger import Ledger, events, gaps, subjects, transactions
from reconcile.ledger.ledger import Tx
from reconcile.model import Arrival, Candidate, EventState, GapKind, Origin, Reported
from reconcile.reading.judge import Elsewhere
from reconcile.topics import Topics
from reconcile.transactions import hearing
from reconcile.transactions.decide import Road, Verdict, decide
from reconcile.transactions.transaction import Transaction

UNKNOWN = "its provider does not know it"
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question brought: a report, or (None) why there is none. `arrivals` are the facts it proves."""

    reported: Reported | None
    failure: str = ""
    arrivals: tuple[Arrival, ...] = ()
    lost: tuple[Candidate, ...] = ()

    @property
    def text(self) -> str:
        """What is kept of it."""
        if self.reported is None:
            return (self.failure or UNKNOWN)[:_LONGEST]
        return f"its provider says {self.reported.raw}"


def _arrival(source: str, candidate: Candidate) -> Arrival:
    """A body that does not show its subject carries no version of it."""
    arrival = replace(rebuilt(source, candidate), origin=Origin.STATUS_CHECK)
    if candidate.whole:
        return arrival
    return replace(arrival, description=msgspec.structs.replace(arrival.description, version=None))


class Came(StrEnum):
    """What entering an answer came to."""

    RESOLVED = "resolved"
    PENDING = "pending"
    UNRESOLVED = "unresolved"
    CANCELLED = "cancelled"  # it had ended otherwise meanwhile, or another runner asks: the answer is dropped


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the answers about one source are entered. `owner` is whose claims they answer."""

    ledger: Ledger
    source: SourceConfig
    connector: Connector
    ladder: Sequence[timedelta]
    owner: str
    run_id: str
    elsewhere: Elsewhere | None = None

    def facts(self, reported: Reported) -> Answer:
        """A terminal answer with the events it proves, as far as the source subscribes to them."""
        topics = Topics(self.source.webhook.topics if self.source.webhook else ())
        wanted = [one for one in reported.facts if one.topic in topics]
        built = [_arrival(self.source.name, one) for one in wanted if not one.reason]
        return Answer(reported, arrivals=self._imported(built), lost=tuple(one for one in wanted if one.reason))

    def _imported(self, arrivals: Sequence[Arrival]) -> tuple[Arrival, ...]:
        """What the app says it handled is entered as handled, without the body: the app has it."""
        if self.elsewhere is None or not arrivals:
            return tuple(arrivals)
        keys = [one.description.key for one in arrivals]
        with self.ledger.read() as tx:
            held = events.by_fact(tx, self.source.name, keys)
        handled = self.elsewhere([key for key in keys if key not in held])
        return tuple(
            replace(one, origin=Origin.IMPORTED, body=b"") if one.description.key in handled else one
            for one in arrivals
        )

    def enter(self, claimed: Transaction, answer: Answer) -> Came:
        """One commit: read again under lock, and unless it ended meanwhile, climb a rung, end, or give up."""
        failpoints.reach("transaction.asked")
        with self.ledger.write() as tx:
            # In the order in which recording takes its locks, so that an answer and a delivery never wait in a circle.
            subjects.lock(tx, self.source.name, sorted({inbox.subject_of(one) for one in answer.arrivals}, key=str))
            one = transactions.claimed(tx, self.owner, claimed)
            came = Came.CANCELLED if one is None else self._apply(tx, one, answer)
        failpoints.reach("transaction.applied")
        return came

    def _apply(self, tx: Tx, one: Transaction, answer: Answer) -> Came:
        asked: dict[str, Any] = {"attempts": one.attempts + 1, "asked_at": tx.now}
        if answer.reported is not None:
            decision = decide(one, answer.reported, Road.ANSWER)
            if decision.verdict is Verdict.END:
                self._record(tx, answer)
                hearing.end(tx, one, answer.reported, answer=answer.text, **asked)
                return Came.RESOLVED
            if decision.verdict is Verdict.CONTRADICT:
                hearing.contradict(tx, one, answer.reported, decision.reason, **asked)
                return Came.UNRESOLVED
        raw = {"raw": answer.reported.raw} if answer.reported else {}
        return self._climb(tx, one, answer, asked | raw)

    def _climb(self, tx: Tx, one: Transaction, answer: Answer, values: dict[str, Any]) -> Came:
        """The next rung counts from this asking; after the last one it is a person's turn (P3)."""
        attempts = one.attempts + 1
        if attempts >= len(self.ladder):
            hearing.give_up(tx, one, answer=answer.text, since=tx.now, **values)
            return Came.UNRESOLVED
        transactions.free(tx, one, answer=answer.text, since=tx.now, **values)
        return Came.PENDING

    def _record(self, tx: Tx, answer: Answer) -> None:
        """The same door and the same handler as a delivery: what came there meanwhile is not entered twice."""
        handled = [one for one in answer.arrivals if one.origin is Origin.IMPORTED]
        missed = [one for one in answer.arrivals if one.origin is not Origin.IMPORTED]
        state = EventState.IGNORED if self.source.handler is None else EventState.WAITING
        for arrivals, as_state in ((handled, EventState.HANDLED), (missed, state)):
            if arrivals:
                inbox.record(tx, self._book(as_state), arrivals)
        held = events.by_fact(tx, self.source.name, [one.key for one in answer.lost])
        for lost in answer.lost:
            if lost.key not in held:
                gaps.open_(
                    tx, self.source.name, GapKind.NOT_REBUILDABLE, lost.key, reason=lost.reason,
                    subject=lost.subject, topic=lost.topic, run_id=self.run_id,
                )  # fmt: skip

    def _book(self, state: EventState) -> Book:
        topics = Topics(self.source.webhook.topics if self.source.webhook else ())
        repeats = not self.connector.facts.stable_ids
        return Book(self.source.name, state, subscribed=topics.exact, repeats_by_bytes=repeats, run_id=self.run_id)
