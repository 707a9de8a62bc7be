"""What a run reads side by side: windows of a stream, streams of a source, accounts of a platform."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import pytest
from support.running import add_shop, add_stripe

from reconcile.sandbox.wire_faults import answers, before

DAY = timedelta(days=1)
PATIENCE = 1  # seconds until two requests that should meet are said not to


@pytest.fixture
def bench(empty):
    """A ledger, and three threads for the windows of each stream."""
    empty.threads = 3
    return empty


def open_shop(bench):
    """A shop with an order and a customer a day, for ten days."""
    shop = add_shop(bench, topics="orders/create, customers/create")
    for _ in range(10):
        shop.create_order()
        shop.create_customer()
        bench.clock.advance(DAY.total_seconds())
    return bench.faults["shop"]


def test_windows_of_a_stream_are_read_at_the_same_time(bench):
    """Two requests of one list are with the provider at once; each window is read and counted once (C2)."""
    faults, meeting = open_shop(bench), threading.Barrier(2)
    faults.add(before(lambda _request: meeting.wait(PATIENCE)), path=r"/orders\.json", times=2)
    report = bench.run("backfill", since=10 * DAY, streams=("orders",), force=True)
    assert not meeting.broken
    assert [(one.stream, one.covered, one.listed, one.backfilled) for one in report.streams] == [
        ("orders", True, 10, 10)
    ], report.streams


def test_streams_of_a_source_are_read_at_the_same_time(bench):
    """A slow list does not keep another waiting."""
    faults, meeting = open_shop(bench), threading.Barrier(2)
    for path in (r"/orders\.json", r"/customers\.json"):
        faults.add(before(lambda _request: meeting.wait(PATIENCE)), path=path)
    report = bench.run("backfill", since=10 * DAY, force=True)
    assert not meeting.broken
    assert {one.stream: (one.covered, one.listed) for one in report.streams} == {
        "orders": (True, 10),
        "customers": (True, 10),
    }


def open_platform(bench):
    """A platform with two connected accounts, of which the source speaks, and three payments each."""
    more = "handler: app:take\n    accounts: [acct_2, acct_3]"
    stripe = add_stripe(bench, "payment_intent.succeeded", more=more)
    paid = {}
    for name, account in {"": stripe, "acct_2": stripe.connect("acct_2"), "acct_3": stripe.connect("acct_3")}.items():
        paid[name] = Counter(account.create_payment_intent() for _ in range(3))
        for payment in paid[name]:
            account.succeed(payment)
    bench.clock.advance(3600)
    return paid, bench.faults["pay"]


def test_connected_accounts_are_recovered_instead_of_the_keys_own(bench):
    """C12: each has a stream and coverage of its own, and every event of theirs reaches the handler once."""
    paid, _ = open_platform(bench)
    report = bench.run()
    streams = {one.stream: (one.covered, one.backfilled) for one in report.streams if one.stream.startswith("events")}
    assert streams == {"events@acct_2": (True, 3), "events@acct_3": (True, 3)}
    assert report.exit_code == 0
    assert bench.handled("pay") == paid["acct_2"] + paid["acct_3"]
    assert bench.run().exit_code == 0
    assert bench.handled("pay").total() == 6


def test_an_account_that_is_gone_does_not_stop_the_others(bench):
    """Exit 4 names its stream; the other account is read and handled all the same."""
    paid, faults = open_platform(bench)

    def refusing(request, handle):
        gone = request.headers.get("Stripe-Account") == "acct_2"
        return answers(403, b'{"error": {"code": "account_invalid"}}')(request, handle) if gone else handle(request)

    faults.add(refusing, path="/v1/events", times=0)
    report = bench.run("backfill", "dispatch")
    told = {one.stream: one for one in report.streams}
    assert (report.exit_code, told["events@acct_3"].covered, told["events@acct_2"].covered) == (4, True, False)
    assert "403" in told["events@acct_2"].error
    assert bench.handled("pay") == paid["acct_3"]
