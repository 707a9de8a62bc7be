"""Whole runs with the gateway recipes: webhooks are lost, payments stay pending, and all is handled once."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from support import gateways
from support.gateways import URL, VARIABLES
from support.pending import known, later
from support.running import at_failpoint, stream_of

from reconcile.connector.finding import connector_class
from reconcile.errors import LedgerError
from reconcile.model import GapKind, TransactionStatus
from reconcile.receiver import Receiver
from reconcile.sandbox.gateway import FakeGateway, shapes
from reconcile.sandbox.gateway.shape import Paging
from reconcile.sandbox.wire_faults import answers, before, html

SUCCEEDED, FAILED = TransactionStatus.SUCCEEDED, TransactionStatus.FAILED
REFUNDED = TransactionStatus.REFUNDED
RECIPES = {
    "razorpay": (shapes.RAZORPAY, "whsec_dummy", "payment.captured", "payment.failed"),
    "paystack": (shapes.PAYSTACK, "sk_test_dummy", "charge.success", "charge.failed"),
    "xendit": (shapes.XENDIT, "whsec_dummy", "payment.succeeded", "payment.failed"),
}
#: Another provider, whose list is asked by last change and page by page.
CHURNING = """\
  gate:
    connector: gateway
    base_url: https://api.gateway.example
    auth: {bearer: "gate_dummy_token"}
    list:
      path: /payments
      items: /payments
      filters: {updated_at_min: updated_from, updated_at_max: updated_to}
      paging: {page: page, size: {per_page: 5}}
    fields: {id: /reference, created_at: /created_at, updated_at: /updated_at, status: /status, amount: /amount}
    status: {path: /get-status, params: {reference: "{id}"}}
    statuses: {pending: pending, paid: succeeded, failed: failed, void: cancelled, refunded: refunded}
    webhook:
      secret: whsec_dummy
      topics: [payment.succeeded, payment.failed, payment.refunded]
      event: {id: /event_id, topic: /event_type, item: /data}
      signature: {scheme: hmac, header: X-Signature}
    handler: app:take
"""


def a_gateway(bench, name):
    """A source of a recipe at its fake."""
    shape, secret, *_ = RECIPES[name]
    bench.env = dict(VARIABLES)
    fake = FakeGateway(shape, clock=bench.clock)
    fake.subscribe(URL, secret)
    bench.add(name, gateways.recipe(name).partition("sources:\n")[2], fake)
    return fake


def deliver(bench, source, fake, sent):
    """Let a webhook arrive now, signed by the fake; the receiver's answer."""
    config = bench.config().sources[source]
    pair = (config, connector_class(config.connector)(config.settings))
    receiver = Receiver(bench.ledger, {source: pair}.get, bench.clock)
    return receiver.receive(source, fake.headers_of(sent), sent.body)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_brings_back_what_was_lost(name, bench):
    """Every end is handled once: told live, found in the list, asked for, or told late; pending ones are followed."""
    _, _, succeeded, failed = RECIPES[name]
    fake = a_gateway(bench, name)
    keys = []
    for number in range(10):
        later(bench, minutes=3)
        keys.append(fake.create(f"{number + 1}.00", "NGN"))
    for key in keys[:6]:
        fake.become(key, SUCCEEDED)
    fake.become(keys[6], FAILED)
    told, *lost = (sent for sent in fake.outbox if sent.topic == succeeded)
    assert deliver(bench, name, fake, told).status == 200
    later(bench, minutes=10)

    report = bench.run()
    assert stream_of(report, name).covered
    assert bench.handled(name, succeeded) == Counter(dict.fromkeys(keys[:6], 1))
    assert bench.handled(name, failed) == Counter({keys[6]: 1})
    assert {one.subject.id for one in known(bench) if not one.status.terminal} == set(keys[7:])

    later(bench, minutes=5)
    fake.become(keys[7], SUCCEEDED)
    later(bench, hours=3)
    bench.run()
    assert bench.handled(name, succeeded)[keys[7]] == 1
    assert [one.status for one in known(bench, id=keys[7])] == [SUCCEEDED]

    before_ = list(bench.effects)
    late = next(sent for sent in reversed(fake.outbox) if sent.subject_id == keys[7])
    for sent in (told, lost[0], late, late):
        assert deliver(bench, name, fake, sent).status == 200
    bench.run()
    assert bench.effects == before_


def test_an_end_that_comes_after_newer_news_is_asked_about(bench):
    """P1: of a payment that failed, was tried again and succeeded, the late `failed` is no end: its provider knows."""
    fake = FakeGateway(replace(shapes.PLAIN, filters=shapes.BY_CURSOR.filters), clock=bench.clock, revivable=True)
    fake.subscribe(URL, "whsec_dummy")
    bench.add("gate", CHURNING.replace("[payment.succeeded", "[payment.pending, payment.succeeded"), fake)
    payment = fake.create()
    for status in (FAILED, SUCCEEDED):
        later(bench, minutes=1)
        fake.become(payment, status)
    pending, failed, succeeded = fake.outbox
    for sent in (succeeded, pending, failed):
        assert deliver(bench, "gate", fake, sent).status == 200
    assert [one.status for one in known(bench)] == [TransactionStatus.PENDING]
    bench.run("status-checks", "dispatch")
    assert [one.status for one in known(bench)] == [SUCCEEDED]
    assert bench.handled("gate", "payment.succeeded") == {payment: 1}


@pytest.mark.parametrize("name", RECIPES)
def test_a_list_by_creation_says_what_it_cannot_prove(name, bench):
    """One gap of the time that was read, covered all the same; a list by last change has none."""
    fake = a_gateway(bench, name)
    fake.create()
    later(bench, minutes=10)
    report = bench.run()
    kinds = [gap.kind for gap in report.gaps]
    assert kinds == ([] if name == "xendit" else [GapKind.BEYOND_RETENTION])
    assert stream_of(report, name).covered


def churning(bench, way="page: page", **shape):
    """The source of `CHURNING` at its fake, behind faults."""
    filters = {"updated_at_min": "updated_from", "updated_at_max": "updated_to"}
    fake = FakeGateway(replace(shapes.PLAIN, filters=filters, **shape), clock=bench.clock)
    fake.subscribe(URL, "whsec_dummy")
    return fake, bench.add("gate", CHURNING.replace("page: page", way), fake)


def test_a_page_that_was_not_there_for_a_moment_ends_no_list(bench):
    """C7: a 404 halfway that is no end is outvoted by the passes after it."""
    fake, faults = churning(bench, "past_end: 404, page: page", ends_with_404=True)
    keys = [fake.create() for _ in range(14)]
    later(bench, hours=2)
    rule = faults.add(answers(404), path="page=2")
    stream = stream_of(bench.run(), "gate", "payments")
    assert (stream.listed, stream.covered, rule.happened) == (len(keys), True, 1)


@pytest.mark.parametrize(
    ("way", "shape", "second_page"),
    [("page: page", {}, "page=2"), ("offset: skip", {"paging": Paging.OFFSET, "page_param": "skip"}, "skip=5")],
)
def test_pages_that_move_while_they_are_read_lose_nothing(way, shape, second_page, bench):
    """C7: an item that changes between two pages pulls the next ones up, in a stretch that no later run reads again."""
    fake, faults = churning(bench, way, **shape)
    keys = []
    for _ in range(14):
        later(bench, minutes=1)
        keys.append(fake.create())
        fake.become(keys[-1], SUCCEEDED)
    later(bench, hours=2)
    faults.add(before(lambda _: fake.become(keys[-1], REFUNDED)), path=second_page)
    report = bench.run()
    assert bench.handled("gate", "payment.succeeded") == Counter(dict.fromkeys(keys, 1))
    assert stream_of(report, "gate", "payments").listed == len(keys)
    later(bench, hours=2)
    bench.run()
    assert bench.handled("gate", "payment.refunded") == Counter({keys[-1]: 1})


def test_a_fact_told_under_two_ids_is_handled_once(bench):
    """Live first, live again under another event id, then listed: one call (H4)."""
    fake, _ = churning(bench)
    key = fake.create()
    fake.become(key, SUCCEEDED)
    again = shapes.PLAIN.envelope("payment.succeeded", fake.rows[key].now, "evt_other", bench.clock.now())
    first = next(sent for sent in fake.outbox if sent.topic == "payment.succeeded")
    assert deliver(bench, "gate", fake, first).text == "new"
    second = replace(first, body=msgspec.json.encode(again), event_id="evt_other")
    assert deliver(bench, "gate", fake, second).text == "duplicate"
    later(bench, minutes=10)
    bench.run()
    assert bench.handled("gate") == Counter({key: 1})


@pytest.mark.parametrize("fault", [html(), answers(200, b'{"payments": null}'), answers(500), answers(200, b"[]")])
def test_what_is_not_the_list_covers_nothing(fault, bench):
    """The run ends with 4 and says so; once the list is one again, everything is found (C9)."""
    fake, faults = churning(bench)
    key = fake.create()
    fake.become(key, SUCCEEDED)
    later(bench, minutes=10)
    faults.add(fault, path="/payments", nth=2, times=0)
    report = bench.run()
    assert report.exit_code == 4
    assert not stream_of(report, "gate").covered
    faults.rules.clear()
    bench.run(since=timedelta(days=1))
    assert bench.handled("gate", "payment.succeeded") == Counter({key: 1})


UNSIGNED = CHURNING.replace("      secret: whsec_dummy\n", "      allow_from: 203.0.113.0/24\n").replace(
    "{scheme: hmac, header: X-Signature}", "{scheme: none}"
)


@pytest.mark.parametrize(("client", "status"), [("203.0.113.7", 200), ("198.51.100.7", 403), ("", 403)])
def test_without_a_signature_the_address_decides(client, status, bench):
    """`scheme: none` takes what comes from `allow_from`; from elsewhere or nowhere, nothing."""
    bench.add("gate", UNSIGNED, FakeGateway(shapes.PLAIN, clock=bench.clock))
    config = bench.config().sources["gate"]
    connector = connector_class(config.connector)(config.settings)
    receiver = Receiver(bench.ledger, {"gate": (config, connector)}.get, bench.clock)
    item = b'{"reference": "ref_1", "status": "paid"}'
    body = b'{"event_id": "evt_1", "event_type": "payment.succeeded", "data": ' + item + b"}"
    assert receiver.receive("gate", {"Content-Type": "application/json"}, body, client).status == status
    assert len(bench.recorded("gate")) == (status == 200)


@pytest.mark.parametrize(("more", "share"), [(0, "26 of 40"), (1, "27 of 41")], ids=["the same", "one more"])
def test_what_a_killed_run_listed_counts_once_at_the_valve(bench, monkeypatch, more, share):
    """DESIGN 4: what looks missed is weighed against what there is, however often killed runs had listed it; else each
    kill would open it further.
    """
    fake, _ = churning(bench)
    for _ in range(40):
        fake.become(fake.create(), SUCCEEDED)
    sent = [one for one in fake.outbox if one.topic == "payment.succeeded"]
    for one in sent[::3]:
        assert deliver(bench, "gate", fake, one).status == 200
    bench.run("dispatch")
    later(bench, hours=2)

    def vanish():
        monkeypatch.setattr(bench.ledger, "write", gone)
        gone()

    with at_failpoint("page.committed", vanish, nth=8), suppress(LedgerError):
        bench.run()
    monkeypatch.undo()
    for _ in range(more):
        fake.become(fake.create(), SUCCEEDED)
    later(bench, minutes=5)
    assert f"{share} listed items look missed" in " ".join(bench.run().notes)
    assert len(bench.handled("gate")) == 14


def gone():
    """A ledger that cannot be reached any more: what was not committed by now never is."""
    raise LedgerError("it is gone")
