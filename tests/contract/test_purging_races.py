"""What comes back to life while a purge looks at it is not let go of, and what a person names then is clearly gone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import pytest
from support.arriving import LIVE, enter, live, put, row
from support.config import in_source, load_text

from reconcile.errors import ConfigError
from reconcile.ledger import bodies, gaps, purging, transactions
from reconcile.ledger.tables import events
from reconcile.ledger.transactions import Chosen
from reconcile.model import EventState, GapKind, Subject
from reconcile.operator import repair
from reconcile.operator.repair import Retried
from reconcile.transactions import settling

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


def meanwhile(ledger, monkeypatch, step, hand):
    """What `hand` says, an operator's command that comes while a purge of the event is just before its commit."""
    delete = purging._delete
    with ThreadPoolExecutor(1) as pool:
        said = []

        def slowly(tx, table, seqs):
            delete(tx, table, seqs)
            if not said:
                said.append(pool.submit(hand))
                wait(said, 0.2)  # it has looked by then, and is held up by our commit

        monkeypatch.setattr(purging, "_delete", slowly)
        with ledger.write() as tx:
            assert step(tx, "acme", tx.now - YEAR / 2, 0).gone == 1
        return said[0].result(20)


@pytest.fixture
def config(tmp_path):
    """A source with a handler, to which events can be sent again."""
    return load_text(in_source("handler: app:take"), folder=tmp_path)


@pytest.fixture
def handled(ledger):
    """An event that was handled a year ago."""
    (first,) = enter(ledger, replace(LIVE, source="acme"), live("w-1"))
    with ledger.read() as tx:
        old = tx.now - YEAR
    put(ledger, first.seq, state=EventState.HANDLED, recorded_at=old, occurred_at=old)
    return first.seq


@pytest.mark.parametrize(
    ("step", "why"), [(purging.payloads, "it has no body; it was purged"), (purging.keys, "purged at this moment")]
)
def test_an_event_purged_meanwhile_is_not_sent_again_empty(ledger, monkeypatch, config, handled, step, why):
    """L5: its handler is never given nothing, and whoever asked for it reads why."""

    def again():
        with ledger.write() as tx:
            return repair.replay(tx, config, "acme", handled)

    with pytest.raises(ConfigError, match=why):
        meanwhile(ledger, monkeypatch, step, again)
    left = row(ledger, handled)
    assert left is None or left.state == EventState.HANDLED


def test_a_gap_purged_meanwhile_is_not_open_any_more(ledger, monkeypatch, config, handled):
    """L5: a gap goes with its event, and who retries many is told, not stopped."""
    with ledger.write() as tx:
        gaps.open_(tx, "acme", GapKind.DEAD, "w-1", reason="poison", seq=handled)
        gaps.open_(tx, "acme", GapKind.DEAD, "w-2", reason="the newest stays")
        chosen = gaps.find(tx)[0]

    def again():
        with ledger.write() as tx:
            return repair.retry(tx, config, chosen)

    assert meanwhile(ledger, monkeypatch, purging.keys, again) is Retried.NOT_OPEN


def test_a_gap_whose_event_was_handled_meanwhile_is_left_alone(ledger, config, handled):
    """H4: between an operator's look and word the event was handled: it is not sent a second time."""
    with ledger.write() as tx:
        gaps.open_(tx, "acme", GapKind.DEAD, "w-1", reason="poison", seq=handled)
        chosen = gaps.find(tx)[0]
        gaps.close_for_events(tx, [handled])
        assert repair.retry(tx, config, chosen) is Retried.NOT_OPEN
    assert row(ledger, handled).state == EventState.HANDLED


@pytest.mark.parametrize(
    "hand",
    [
        lambda tx, one: settling.resolve(tx, one, "paid in cash"),
        settling.reopen,
        lambda tx, one: settling.ask_now(tx, [one]),
    ],
    ids=["resolve", "reopen", "check"],
)
def test_a_transaction_purged_meanwhile_is_named_as_gone(ledger, hand):
    """P1: whoever settles, reopens or checks one that was purged since they looked reads that it is gone."""
    with ledger.write() as tx:
        over = {"state": "settled", "ended_at": tx.now - YEAR}
        transactions.add(tx, "gate", Subject("payment", "p_1"), tx.now - YEAR, over)
        (one,) = transactions.find(tx, Chosen(), 2)
        assert purging.transactions(tx, tx.now - YEAR / 2) == 1
        with pytest.raises(ConfigError, match=r"gate: payment/p_1 is not kept any more: it ended long ago"):
            hand(tx, one)
