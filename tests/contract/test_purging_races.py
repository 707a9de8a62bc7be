"""What comes back to life while a purge looks at it is not let go of."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from support.arriving import LIVE, enter, live, put

from reconcile.ledger import bodies, purging
from reconcile.ledger.tables import events
from reconcile.model import EventState

YEAR = timedelta(days=400)
BODY = b'{"id":1001}'


@pytest.mark.parametrize("step", [purging.payloads, purging.keys])
def test_an_event_that_is_wanted_again_meanwhile_is_delivered_with_all_it_has(ledger, monkeypatch, step):
    """H6, L5: nobody wanted it when it came; it comes again, and is answered 2xx, while a purge is at it."""
    (first,) = enter(ledger, LIVE, live("w-1"))
    with ledger.read() as tx:
        now = tx.now
    put(ledger, first.seq, state=EventState.IGNORED, recorded_at=now - YEAR, occurred_at=now - YEAR)
    again = threading.Thread(target=lambda: enter(ledger, LIVE, live("w-1")))
    delete = purging._delete

    def slowly(tx, table, seqs):
        if not again.ident:
            again.start()
            again.join(0.5)
        delete(tx, table, seqs)

    monkeypatch.setattr(purging, "_delete", slowly)
    with ledger.write() as tx:
        step(tx, "shop", now - YEAR / 2, 0)
    again.join(20)
    with ledger.read() as tx:
        rows = tx.connection.execute(bodies.whole_events().where(events.c.id == "w-1")).all()
    assert [(row.state, bytes(row.body)) for row in rows] == [(EventState.WAITING, BODY)]
