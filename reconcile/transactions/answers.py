"""What a question brought, and entering it: applied only if the transaction is still on the ladder (P1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from reconcile import failpoints, inbox
from reconcile.book import Book, subject_of
from reconcile.config import SourceConfig
from reconcile.connector import Connector
from reconcile.diff import rebuilt
from reconcile.ledger import Ledger, gaps, recognition, subjects, transactions
from reconcile.ledger.ledger import Tx
from reconcile.model import EPOCH, Arrival, Candidate, EventState, GapKind, IncidentKind, Origin, Reported, Subject
from reconcile.reading.judge import Elsewhere
from reconcile.topics import Topics
from reconcile.transactions import hearing
from reconcile.transactions.decide import Road, Verdict, decide, ended
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
class Answered:
    """A transaction as it was when it was claimed, and the answer about it."""

    claimed: Transaction
    answer: Answer


@dataclass(slots=True)
class Sheet:
    """What some answers come to, before anything of it is written. Pure."""

    now: datetime
    ladder: Sequence[timedelta]
    was: dict[Subject, Transaction] = field(default_factory=dict)
    hurried: set[Subject] = field(default_factory=set)
    climbed: list[Transaction] = field(default_factory=list)
    given_up: list[Transaction] = field(default_factory=list)
    ended: list[tuple[Transaction, Answer]] = field(default_factory=list)
    contradicted: list[tuple[Transaction, Reported, str]] = field(default_factory=list)

    @property
    def came(self) -> Counter[Came]:
        """How many came to what."""
        left = len(self.given_up) + len(self.contradicted)
        return Counter({Came.RESOLVED: len(self.ended), Came.PENDING: len(self.climbed), Came.UNRESOLVED: left})

    def note(self, one: Transaction, answered: Answered) -> None:
        """Put the answer about `one`, as it is now, where it belongs."""
        answer = answered.answer
        self.was[one.subject] = one
        if one.since == EPOCH and answered.claimed.since != EPOCH:
            self.hurried.add(one.subject)
        asked = replace(one, attempts=one.attempts + 1, asked_at=self.now, answer=answer.text)
        if answer.reported is None:
            self._climb(asked)
            return
        decision = decide(one, answer.reported, Road.ANSWER)
        if decision.verdict is Verdict.END:
            self.ended.append((ended(asked, answer.reported, self.now), answer))
        elif decision.verdict is Verdict.CONTRADICT:
            self.contradicted.append((asked, answer.reported, decision.reason))
        else:
            self._climb(replace(asked, raw=answer.reported.raw))

    def _climb(self, asked: Transaction) -> None:
        """The next rung counts from this asking; after the last one it is a person's turn (P3).

        What seems to have ended while it was asked about is asked about once more: the answer may be the older news.
        """
        if asked.subject in self.hurried:
            self.climbed.append(asked)
            return
        climbed = replace(asked, since=self.now)
        (self.given_up if asked.attempts >= len(self.ladder) else self.climbed).append(climbed)


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
            held = recognition.by_fact(tx, self.source.name, keys)
        handled = self.elsewhere([key for key in keys if key not in held])
        return tuple(
            replace(one, origin=Origin.IMPORTED, body=b"") if one.description.key in handled else one
            for one in arrivals
        )

    def enter(self, answered: Sequence[Answered]) -> Counter[Came]:
        """One commit: read again under lock, and whatever did not end meanwhile climbs a rung, ends, or is given up."""
        failpoints.reach("transaction.asked")
        came, missed = self._enter(answered, wait=False)
        for one in missed:
            # Ended or taken over meanwhile; or changed right now: one at a time, nobody waits in a circle.
            came += self._enter([one], wait=True)[0]
        failpoints.reach("transaction.applied")
        return came

    def _enter(self, answered: Sequence[Answered], *, wait: bool) -> tuple[Counter[Came], list[Answered]]:
        name = self.source.name
        arrivals = [arrival for one in answered for arrival in one.answer.arrivals]
        with self.ledger.write() as tx:
            # In the order in which recording takes its locks, so that an answer and a delivery never wait in a circle.
            subjects.lock(tx, name, sorted({subject_of(arrival) for arrival in arrivals}, key=str))
            ours = transactions.claimed(tx, name, self.owner, [one.claimed for one in answered], wait=wait)
            sheet = Sheet(tx.now, self.ladder)
            for one in answered:
                if one.claimed.subject in ours:
                    sheet.note(ours[one.claimed.subject], one)
            self._write(tx, sheet)
        missed = [one for one in answered if one.claimed.subject not in ours]
        return sheet.came + Counter({Came.CANCELLED: len(missed) if wait else 0}), [] if wait else missed

    def _write(self, tx: Tx, sheet: Sheet) -> None:
        transactions.save(tx, sheet.climbed)
        for one in sheet.climbed:
            if sheet.was[one.subject].since == EPOCH:  # it was given up before its ladder got longer
                hearing.close_incident(tx, one, IncidentKind.UNRESOLVED, "it is asked about again")
        hearing.give_up(tx, sheet.given_up)
        self._record(tx, [answer for _, answer in sheet.ended])
        transactions.save(tx, [one for one, _ in sheet.ended])
        for one, answer in sheet.ended:
            hearing.close(tx, sheet.was[one.subject], answer.text)
        for one, reported, reason in sheet.contradicted:
            hearing.contradict(tx, one, reported, reason)

    def _record(self, tx: Tx, answers: Sequence[Answer]) -> None:
        """The same door and the same handler as a delivery: what came there meanwhile is not entered twice."""
        arrivals = [arrival for answer in answers for arrival in answer.arrivals]
        handled = [one for one in arrivals if one.origin is Origin.IMPORTED]
        missed = [one for one in arrivals if one.origin is not Origin.IMPORTED]
        state = EventState.IGNORED if self.source.handler is None else EventState.WAITING
        for some, as_state in ((handled, EventState.HANDLED), (missed, state)):
            if some:
                inbox.record(tx, self._book(as_state), some)
        self._lose(tx, [lost for answer in answers for lost in answer.lost])

    def _lose(self, tx: Tx, lost: Sequence[Candidate]) -> None:
        """What surely happened, and of which no event can be built, is a gap unless its event came."""
        held = recognition.by_fact(tx, self.source.name, [one.key for one in lost]) if lost else {}
        for one in lost:
            if one.key not in held:
                gaps.open_(
                    tx,
                    self.source.name,
                    GapKind.NOT_REBUILDABLE,
                    one.key,
                    reason=one.reason,
                    subject=one.subject,
                    topic=one.topic,
                    run_id=self.run_id,
                )

    def _book(self, state: EventState) -> Book:
        topics = Topics(self.source.webhook.topics if self.source.webhook else ())
        repeats = not self.connector.facts.stable_ids
        return Book(self.source.name, state, subscribed=topics.exact, repeats_by_bytes=repeats, run_id=self.run_id)
