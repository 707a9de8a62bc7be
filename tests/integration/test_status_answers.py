"""What a provider may answer about a pending transaction, and that only an end is taken for one (P2)."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import httpx
import pytest
from support.asking import climb, processing
from support.pending import (
    known,
    later,
    one,
    open_incidents,
    post,
    stripe_at,
)

from reconcile.model import Subject, TransactionStatus
from reconcile.sandbox.fake import respond
from reconcile.transactions import hearing
from reconcile.transactions.transaction import LADDER


def test_not_known_to_the_provider_keeps_the_state_until_the_ladder_ends(bench, stripe):
    """P2: 404 may mean not yet; after the last rung it is a person's turn, and says why."""
    with bench.ledger.write() as tx:
        bench.config()
        hearing.track(tx, "pay", Subject("payment_intent", "pi_ghost"))
    report = climb(bench, len(LADDER) - 1)
    assert (report.transactions["pending"], report.exit_code) == (1, 0)
    bench.clock.set(bench.clock.now() + LADDER[-1])
    assert bench.run("status-checks").transactions["unresolved"] == 1
    assert one(bench, "pi_ghost").answer == "its provider does not know it"


def test_a_failing_provider_keeps_the_state(bench, stripe):
    """P2: 500 keeps it pending, and the run says that its provider could not be asked (exit 4)."""
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    bench.faults["pay"].add(lambda *_: respond(500, b"{}", {}), path=intent, times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert report.exit_code == 4
    assert "answered 500" in report.errors[0]
    assert (one(bench, intent).status, one(bench, intent).attempts) == (TransactionStatus.PENDING, 1)
    bench.faults["pay"].clear()
    later(bench, minutes=30)
    assert bench.run("status-checks", "dispatch").transactions["resolved"] == 1


@pytest.mark.parametrize("body", [b"<html>soon</html>", b"[]", b'{"id": 7}', b"", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_cannot_be_read_keeps_the_state(bench, stripe, body):
    """P2: HTML, another shape, another encoding or hostile nesting is no status."""
    intent = processing(bench, stripe)
    bench.faults["pay"].add(lambda *_: respond(200, body, {}), path=intent, times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert report.exit_code == 4
    assert one(bench, intent).status is TransactionStatus.PENDING


def test_an_answer_about_another_transaction_is_none(bench, stripe):
    """P2, P4: a proxy that answers with another payment's body must not end this one, whatever the amounts."""
    intent, other = processing(bench, stripe), processing(bench, stripe)
    stripe.succeed(other)

    def mixed_up(request, handle):
        return handle(httpx.Request("GET", str(request.url).replace(intent, other), headers=request.headers))

    bench.faults["pay"].add(mixed_up, path=f"payment_intents/{intent}", times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks", "dispatch")
    assert (report.exit_code, report.transactions["resolved"]) == (4, 1)
    assert (one(bench, intent).status, one(bench, intent).attempts) == (TransactionStatus.PENDING, 1)
    assert bench.handled("pay", "payment_intent.succeeded") == {other: 1}


def test_a_provider_that_is_down_is_left_alone(bench, stripe):
    """P2: after five questions without an answer the rest waits for the next run, its rungs unspent."""
    intents = [processing(bench, stripe) for _ in range(9)]
    bench.faults["pay"].add(lambda *_: respond(503, b"{}", {}), path="payment_intents/", times=0)
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert report.transactions == {"checked": 5, "resolved": 0, "pending": 9, "unresolved": 0}
    assert sorted(one(bench, intent).attempts for intent in intents) == [0] * 4 + [1] * 5


def test_refused_credentials_spend_no_rung(bench, stripe):
    """P2: 401 is about us, not about the transaction: it is asked again as soon as the key is accepted."""
    intent = processing(bench, stripe)
    stripe.api_keys = {"sk_test_other"}
    later(bench, minutes=5)
    report = bench.run("status-checks")
    assert (report.exit_code, report.transactions["checked"]) == (4, 0)
    assert one(bench, intent).attempts == 0
    stripe.api_keys = {"sk_test_dummycanary7f3a"}
    assert bench.run("status-checks").transactions["checked"] == 1


def test_an_app_that_cannot_be_asked_what_it_handled_spends_no_rung(bench):
    """P2, P3: the provider has told the end; nobody is asked to settle it by hand while the app cannot say."""
    book = bench.folder / "app.db"
    recorded = f"recorded: {{database: 'sqlite:///{book}', query: 'select k from handled where k in :keys'}}"
    stripe = stripe_at(bench, more=f"handler: app:take\n    {recorded}")
    intent = processing(bench, stripe)
    stripe.succeed(intent)
    report = climb(bench)
    assert (report.exit_code, report.transactions["checked"]) == (2, 0)
    assert "there is no such file; nothing was recorded" in report.errors[0]
    assert (one(bench, intent).attempts, open_incidents(bench)) == (0, [])
    with closing(sqlite3.connect(book)) as table:
        table.execute("create table handled (k text)")
    assert bench.run("status-checks").transactions["resolved"] == 1


def test_an_unreadable_body_never_loses_its_event(bench, stripe):
    """P2: an event whose object nobody can make out is recorded all the same, and follows nothing."""
    body = (
        b'{"id":"evt_odd","object":"event","type":"payment_intent.processing","created":1717243200,'
        b'"data":{"object":{"object":"payment_intent","id":"pi_odd","created":"yesterday","status":7}}}'
    )
    assert post(bench, "pay", "payment_intent.processing", body) == 200
    assert bench.recorded("pay") == [("payment_intent.processing", "pi_odd", "waiting")]
    assert known(bench) == []
