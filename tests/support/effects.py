"""A handler's own table in the ledger's database, claimed events, and what became of both."""

from __future__ import annotations

from sqlalchemy import text

from reconcile.ledger import Ledger
from reconcile.model import EventState
from reconcile.targets.model import Job
from support.pools import an_event
from support.rows import add_event

#: What a test's handlers begin with: `write(session, event)` is an effect.
APP = """
from sqlalchemy import text
def write(session, event, note=""):
    session.connection().execute(text("insert into app_effect (note) values (:note)"), {"note": note or event.id})
"""


def claimed(ledger: Ledger, topics: list[str], fence: int = 3) -> list[Job]:
    """Events claimed by us, one per topic, as jobs; makes the application's table."""
    with ledger.write() as tx:
        tx.connection.execute(text("create table if not exists app_effect (note text unique)"))
        rows = [_claimed(tx, n, topic, fence) for n, topic in enumerate(topics)]
    return [
        Job(seq, fence, "me", an_event(topic, id=f"evt_{seq}", idempotency_key=f"evt_{seq}"), 1)
        for seq, topic in zip(rows, topics, strict=True)
    ]


def _claimed(tx, number: int, topic: str, fence: int) -> int:
    claim = {"state": EventState.CLAIMED, "claim_owner": "me", "claim_fence": fence, "claim_until": tx.now}
    return add_event(tx, topic=topic, subject_id=str(number), **claim)


def effects(ledger: Ledger) -> list[str]:
    """What the handlers wrote, sorted."""
    with ledger.read() as tx:
        return sorted(tx.connection.execute(text("select note from app_effect")).scalars())
