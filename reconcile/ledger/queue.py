"""The queue of a source's waiting events, and who in it may go: in order per subject, in parallel across subjects.

The rule is pure. It walks the queue from its head, so that it costs one pass over a small index and no question per
event, whatever the database knows about its own statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import TextClause, text

from reconcile.ledger.ledger import Tx
from reconcile.ledger.tables import OPEN_EVENTS

Subject = tuple[str, str]
#: Of an event whose subject is unknown: it waits for nobody.
NOBODY = ("", "")
#: A failing event holds its subject for this many attempts; then later ones pass it.
RETRY_HOLDS = 3


class Waiting(NamedTuple):
    """One waiting event; `next_at` in microseconds since 1970."""

    seq: int
    subject_type: str
    subject_id: str
    position: int
    attempts: int
    next_at: int
    takeovers: int

    @property
    def subject(self) -> Subject:
        """Whom it is about."""
        return (self.subject_type, self.subject_id) if self.subject_id else NOBODY


@dataclass(frozen=True, slots=True)
class Hands:
    """The events of a source that are claimed: whom they are about, and the (seq, takeovers) of each owner's."""

    subjects: set[Subject] = field(default_factory=set)
    owners: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """How many."""
        return sum(map(len, self.owners.values()))


def free(queue: Iterable[Waiting], busy: set[Subject], holds: int) -> Iterator[Waiting]:
    """Those of `queue`, in order, that no earlier event of their subject holds back and whose subject is not `busy`.

    A waiting event holds its subject for `holds` attempts, whether it is due or not. `busy` may grow meanwhile.
    """
    held: set[Subject] = set()
    for event in queue:
        subject = event.subject
        if subject == NOBODY:
            yield event
        elif subject not in held:
            if event.attempts < holds:
                held.add(subject)
            if subject not in busy:
                yield event


def in_time(queue: Iterable[Waiting], until: int, holds: int) -> Iterator[Waiting]:
    """Those of `queue` that come due by `until` and wait behind nothing that comes due later."""
    stuck: set[Subject] = set()
    for event in queue:
        subject = event.subject
        if event.next_at > until:
            if subject != NOBODY and event.attempts < holds:
                stuck.add(subject)
        elif subject not in stuck:
            yield event


#: For SQLite alone: PostgreSQL draws the conclusion itself, and would take the list for a reason to sort.
_OPEN = {"sqlite": f"and {OPEN_EVENTS}", "postgresql": ""}


def waiting_sql(dialect: str) -> str:
    """Sorted by the index alone: one column more would make a database without statistics sort the whole queue."""
    return f"""
        select seq, subject_type, subject_id, position, attempts, next_at, takeovers from reconcile_event
        where source = :source {_OPEN[dialect]} and state = 'waiting' order by position"""


def claimed_sql(dialect: str) -> str:
    """Everything that is claimed."""
    return f"""
        select subject_type, subject_id, claim_owner, seq, takeovers from reconcile_event
        where source = :source {_OPEN[dialect]} and state = 'claimed'"""


@cache
def _query(sql: str) -> TextClause:
    """Made once: looking through its text for parameters costs as much as running it."""
    return text(sql)


def hands(tx: Tx, source: str) -> Hands:
    """What is claimed now."""
    found = Hands()
    for kind, id_, owner, seq, takeovers in tx.connection.execute(_query(claimed_sql(tx.dialect)), {"source": source}):
        if id_:
            found.subjects.add((kind, id_))
        found.owners.setdefault(owner, []).append((seq, takeovers))
    return found


def whole(tx: Tx, source: str) -> list[Waiting]:
    """Every waiting event, in order."""
    return _in_order(tx.connection.execute(_query(waiting_sql(tx.dialect)), {"source": source}))


def head(tx: Tx, source: str, number: int) -> tuple[list[Waiting], bool]:
    """About the first `number` waiting events, in order; and whether that is all of them.

    The last position read is left out unless it is the end: there may be more of it, with a smaller `seq`.
    """
    query = _query(f"{waiting_sql(tx.dialect)} limit :number")
    found = _in_order(tx.connection.execute(query, {"source": source, "number": number}))
    if len(found) < number:
        return found, True
    return [event for event in found if event.position < found[-1].position], False


def _in_order(rows: Iterable[Any]) -> list[Waiting]:
    return sorted((Waiting(*row) for row in rows), key=lambda event: (event.position, event.seq))
