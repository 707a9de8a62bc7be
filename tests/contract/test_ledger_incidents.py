"""Incidents: open once at a time, a new episode when they come back, one commit with what they speak of."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from support.ledgers import later, minutes

from reconcile.ledger import gaps, incidents
from reconcile.ledger.tables_alerts import incidents as table
from reconcile.model import GapKind, IncidentKind


def unresolved(tx, key="pay_1", **values):
    given = {"source": "shop", "kind": IncidentKind.UNRESOLVED, "key": key, "summary": "still pending"} | values
    return incidents.open_(tx, **given)


def rows(tx):
    return tx.connection.execute(select(table).order_by(table.c.id)).all()


def test_incident_is_open_once(ledger):
    """A2: opening what is open already refreshes what it says, not when it began."""
    with ledger.write() as tx:
        first = unresolved(tx, since=minutes(0))
        again = unresolved(later(tx, 60), summary="still pending, asked again", since=minutes(9))
        (row,) = rows(tx)
    assert first == again
    assert (row.summary, row.since, row.state) == ("still pending, asked again", minutes(0), "open")


def test_relapse_is_a_new_episode(ledger):
    """A4: what comes back after it was closed is another incident; closing what is not open says so."""
    with ledger.write() as tx:
        first = unresolved(tx)
        assert incidents.close(tx, source="shop", kind=IncidentKind.UNRESOLVED, key="pay_1", note="paid")
        assert not incidents.close(tx, source="shop", kind=IncidentKind.UNRESOLVED, key="pay_1", note="paid")
        second = unresolved(tx)
        states = [(row.id, row.state, row.note) for row in rows(tx)]
    assert states == [(first, "closed", "paid"), (second, "open", "")]


def test_incident_and_state_change_stand_or_fall_together(ledger):
    """A1: a commit that never happens leaves neither the state change nor the incident."""

    def dies():
        with ledger.write() as tx:
            gaps.open_(tx, "shop", GapKind.DEAD, "evt_1", reason="boom")
            unresolved(tx)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dies()
    with ledger.read() as tx:
        assert gaps.find(tx) == []
        assert rows(tx) == []


def test_provider_text_is_made_fit_to_keep(ledger):
    """X4: NUL, lone surrogates, line breaks and bidi marks are kept as visible text, and the key still matches."""
    with ledger.write() as tx:
        unresolved(tx, key="a\x00b\ud800", summary="\r\nBcc: x\u202e", command=incidents.command("show", "$(rm)"))
        (row,) = rows(tx)
        assert row.summary == "\\x0d\\x0aBcc: x\\u202e"
        assert row.command == "reconcile show '$(rm)'"
        assert incidents.close(tx, source="shop", kind=IncidentKind.UNRESOLVED, key="a\x00b\ud800", note="")


def test_what_only_happened_is_over_at_once(ledger):
    """A repaired subscription is an incident that needs no recovery, and may happen again."""
    with ledger.write() as tx:
        for _ in range(2):
            incidents.happened(tx, source="shop", kind=IncidentKind.SUBSCRIPTION, key="t", summary="made again")
        assert [(row.state, row.happened, row.settled) for row in rows(tx)] == [("closed", 1, 0)] * 2


def test_many_open_at_once(ledger):
    """Ten thousand openings are one statement, and again they change no number."""
    found = [incidents.Opening("shop", IncidentKind.DEAD, f"evt_{n}", "boom") for n in range(1000)]
    with ledger.write() as tx:
        incidents.open_all(tx, found)
        incidents.open_all(tx, found)
        assert tx.connection.execute(select(func.count()).select_from(table)).scalar_one() == 1000
