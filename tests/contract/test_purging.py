"""What can be let go of, on every ledger engine."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select
from support.rows import add_event, states

from reconcile.ledger import events as ledger_events
from reconcile.ledger import gaps, purging
from reconcile.ledger.tables import aliases, bodies, events
from reconcile.ledger.tables_alerts import incidents, mails, notices, recipients
from reconcile.ledger.tables_transactions import transactions
from reconcile.model import EventState, GapKind

OLD = timedelta(days=100)


def fill(ledger) -> dict[str, int]:
    """An old handled event, an old one that waits, an old one of another source, and a young one."""
    with ledger.write() as tx:
        old = {"recorded_at": tx.now - OLD, "occurred_at": tx.now - OLD, "state": EventState.HANDLED}
        rows = {
            "old": add_event(tx, **old),
            "waiting": add_event(tx, **old | {"state": EventState.WAITING}),
            "foreign": add_event(tx, **old, source="other"),
            "young": add_event(tx, state=EventState.HANDLED),
        }
        ledger_events.alias(tx, "shop", "evt_other_name", rows["old"])
    return rows


def left(ledger, table) -> set[int]:
    with ledger.read() as tx:
        return set(tx.connection.execute(select(table.c.seq)).scalars())


def test_payloads_of_old_events_that_are_done_go_and_the_events_stay(ledger):
    """Young, waiting and foreign ones keep theirs; again, there is nothing to do."""
    rows = fill(ledger)
    for gone in (1, 0):
        with ledger.write() as tx:
            assert purging.payloads(tx, "shop", tx.now - timedelta(days=30), 0) == purging.Batch(gone, None)
    assert left(ledger, bodies) == set(rows.values()) - {rows["old"]}
    assert states(ledger, *rows.values()) == ["handled", "waiting", "handled", "handled"]


def test_keys_go_with_everything_that_names_them(ledger):
    """An old event that is done is forgotten, with its other names and what it carried."""
    rows = fill(ledger)
    with ledger.write() as tx:
        assert purging.keys(tx, "shop", tx.now - timedelta(days=30), 0) == purging.Batch(1, None)
    for table in (events, bodies):
        assert left(ledger, table) == set(rows.values()) - {rows["old"]}
    assert left(ledger, aliases) == set()


def test_an_event_of_old_that_came_late_keeps_its_key(ledger):
    """It is judged by when it was recorded and when it happened: either may be recent."""
    with ledger.write() as tx:
        add_event(tx, occurred_at=tx.now - OLD, state=EventState.HANDLED)
        add_event(tx, recorded_at=tx.now - OLD, occurred_at=tx.now, state=EventState.HANDLED)
    with ledger.write() as tx:
        assert purging.keys(tx, "shop", tx.now - timedelta(days=30), 0).gone == 0


def test_one_batch_after_another_reaches_all(ledger, monkeypatch):
    """Many rows go in several commits, each of which says where the next begins."""
    monkeypatch.setattr(purging, "BATCH", 3)
    with ledger.write() as tx:
        for _ in range(8):
            add_event(tx, recorded_at=tx.now - OLD, occurred_at=tx.now - OLD, state=EventState.HANDLED)
    after, gone = 0, []
    while after is not None:
        with ledger.write() as tx:
            batch = purging.payloads(tx, "shop", tx.now - timedelta(days=30), after)
        after = batch.after
        gone.append(batch.gone)
    assert gone == [3, 3, 2]
    with ledger.read() as tx:
        assert tx.connection.execute(select(func.count()).select_from(bodies)).scalar_one() == 0


def test_transactions_that_ended_go_and_those_that_wait_stay(ledger):
    """Old and settled goes; pending, unresolved and young stay."""
    with ledger.write() as tx:
        old = {
            "source": "pay",
            "type": "charge",
            "known_at": tx.now - OLD,
            "since": tx.now - OLD,
            "ended_at": tx.now - OLD,
        }
        rows = [
            old | {"id": "1", "state": "settled"},
            old | {"id": "2", "state": "resolved"},
            old | {"id": "3", "state": "unresolved"},
            old | {"id": "4", "state": "pending", "ended_at": None},
            old | {"id": "5", "state": "settled", "ended_at": tx.now},
        ]
        for row in rows:
            tx.connection.execute(transactions.insert().values(row))
        assert purging.transactions(tx, tx.now - timedelta(days=30)) == 2
        assert set(tx.connection.execute(select(transactions.c.id)).scalars()) == {"3", "4", "5"}


def test_incidents_told_to_the_end_go_with_their_mails(ledger):
    """An old closed incident and its mail go; an open one keeps its own, and a mail that waits is sent first.

    The newest incident stays, for its number.
    """
    with ledger.write() as tx:
        at = {"since": tx.now - OLD, "opened_at": tx.now - OLD, "seen_at": tx.now - OLD}
        closed = {"state": "closed", "settled": 1, "closed_at": tx.now - OLD}
        for key, more in (("1", closed), ("2", {}), ("3", closed)):
            number = tx.connection.execute(
                incidents.insert().values(source="s", kind="dead", key=key, **at, **more).returning(incidents.c.id)
            ).scalar_one()
            mail = tx.connection.execute(
                mails.insert().values(message_id=key, created_at=tx.now - OLD).returning(mails.c.id)
            ).scalar_one()
            notice = {"incident_id": number, "mail_id": mail, "state": "opened", "audience": "operators"}
            tx.connection.execute(notices.insert().values(**notice, at=tx.now - OLD))
            state = "queued" if key == "3" else "sent"
            tx.connection.execute(recipients.insert().values(mail_id=mail, address="a", state=state, next_at=tx.now))
        assert purging.incidents(tx, tx.now - timedelta(days=30)) == 2
        assert set(tx.connection.execute(select(incidents.c.key)).scalars()) == {"2", "3"}
        assert set(tx.connection.execute(select(mails.c.message_id)).scalars()) == {"2", "3"}


def test_incidents_nobody_was_told_of_go_though_nobody_tells(ledger):
    """Where the job `alerts` never runs, what is over does not pile up; what is still to be told once stays."""
    with ledger.write() as tx:
        at = {"since": tx.now - OLD, "opened_at": tx.now - OLD, "seen_at": tx.now - OLD, "closed_at": tx.now - OLD}
        for key, happened in (("over", 0), ("repaired", 1), ("newest", 0)):
            values = {"source": "s", "kind": "dead", "key": key, "state": "closed", "happened": happened, **at}
            tx.connection.execute(incidents.insert().values(values))
        assert purging.incidents(tx, tx.now - timedelta(days=30)) == 1
        assert set(tx.connection.execute(select(incidents.c.key)).scalars()) == {"repaired", "newest"}


def test_a_number_in_an_old_mail_never_names_another_incident(ledger):
    """A2: whatever was purged, the next incident has a number that none had before."""
    numbers = []
    for key in ("1", "2", "3"):
        with ledger.write() as tx:
            at = {"since": tx.now - OLD, "opened_at": tx.now - OLD, "seen_at": tx.now - OLD}
            closed = {"state": "closed", "settled": 1, "closed_at": tx.now - OLD}
            made = incidents.insert().values(source="s", kind="dead", key=key, **at, **closed)
            numbers += tx.connection.execute(made.returning(incidents.c.id)).scalars()
        with ledger.write() as tx:
            purging.incidents(tx, tx.now - timedelta(days=30))
    assert len(set(numbers)) == 3


def test_a_number_in_an_old_mail_never_names_another_gap(ledger):
    """Likewise of gaps, which go with the event they speak of."""
    numbers = []
    for key in ("1", "2"):
        with ledger.write() as tx:
            old = {"recorded_at": tx.now - OLD, "occurred_at": tx.now - OLD, "state": EventState.HANDLED}
            seq = add_event(tx, **old)
            numbers.append(gaps.open_(tx, "shop", GapKind.DEAD, key, reason="it failed", seq=seq))
            gaps.close(tx, "shop", GapKind.DEAD, key, "handled")
        with ledger.write() as tx:
            purging.keys(tx, "shop", tx.now - timedelta(days=30), 0)
    assert len(set(numbers)) == 2
