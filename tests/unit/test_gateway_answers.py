"""What a gateway may answer, and what the connector makes of it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import httpx
import pytest
from support.gateways import BY_CURSOR, BY_LINK, BY_NEXT, FIELDS, PLAIN, START, STATUSES, URL, changed, settings_of

from connectors.gateway import Gateway, GatewaySettings, moments
from connectors.gateway.pointers import find, tokens_of
from connectors.gateway.settings_list import ListSettings
from reconcile.connector import (
    Delivery,
    FilterBy,
    ListsItems,
    ReadsItems,
    Rebuilds,
    Receives,
    ReportsStatus,
    Signs,
    StreamRef,
)
from reconcile.errors import BadAnswer, CredentialsRefused, ProviderError, Rejected
from reconcile.model import Subject, TransactionStatus, Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.gateway import FakeGateway, shapes
from reconcile.sandbox.wire_faults import html
from reconcile.testing import NOW
from reconcile.testing.worlds import client_for

WINDOW = Window(START, NOW)
STREAM = StreamRef("payments")
ITEM = {
    "reference": "ref_1",
    "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T11:00:00Z",
    "status": "paid",
}


def gateway(settings=PLAIN, **top):
    return Gateway(GatewaySettings.model_validate(changed(settings, **top)))


def answering(*bodies, status=200, headers=None):
    """A provider that gives these answers, one after the other, the last for ever; and what it was asked."""
    asked, left = [], list(bodies)

    def handle(request):
        asked.append(request)
        body = left.pop(0) if len(left) > 1 else left[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, headers=headers or {}, content=content)

    return handle, asked


def listed(connector, handle):
    """Every item of a listing."""
    pages = connector.pages(client_for(connector, handle), STREAM, WINDOW, ())
    return [item for page in pages for item in page.items]


# The RFC's own examples, section 5.
DOCUMENT = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3),
        ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8), ("/foo/2", None), ("/foo/-", None),
        ("/foo/01", None), ("/foo/bar", None), ("/nothing/at/all", None), ("/a~01b", None),
    ],
)  # fmt: skip
def test_pointers_lead_where_the_rfc_says(pointer, value):
    """RFC 6901, section 5, and pointers that lead nowhere."""
    assert find(DOCUMENT, tokens_of(pointer)) == value


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-01-01T10:00:00Z", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("2024-01-01T10:00:00.123456789Z", datetime(2024, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2024-01-01T10:00:00+07:00", datetime(2024, 1, 1, 3, tzinfo=UTC)),
        ("2024-01-01 10:00:00", datetime(2024, 1, 1, 3, tzinfo=UTC)),
        ("2024-01-01", datetime(2023, 12, 31, 17, tzinfo=UTC)),
        (1704103200, datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("1704103200", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        (Decimal("1704103200.5"), datetime(2024, 1, 1, 10, 0, 0, 500000, tzinfo=UTC)),
        (1704103200123, datetime(2024, 1, 1, 10, 0, 0, 123000, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_they_come(text, instant):
    """ISO 8601 with an offset or in the configured zone (Midtrans writes GMT+7 without saying so), unix seconds, ms."""
    assert moments.read(text, ZoneInfo("Asia/Jakarta")) == instant


@pytest.mark.parametrize("value", ["", "soon", True, None, [], {}, 10**30, "9" * 19, "2024-13-01", Decimal("1E+400")])
def test_what_is_no_time_is_an_error(value):
    """Never a guess, never an overflow."""
    with pytest.raises(ValueError):  # noqa: PT011 - what it says is the provider's text
        moments.read(value, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("time", "asked"),
    [
        ("iso8601", ("2024-01-01T09:59:59Z", "2024-01-01T11:00:02Z")),
        ("epoch_s", ("1704103199", "1704106802")),
        ("epoch_ms", ("1704103199000", "1704106802000")),
        ("date", ("2023-12-31", "2024-01-02")),
    ],
)
def test_filters_ask_for_a_step_more_than_the_window(time, asked):
    """Whether bounds are inclusive nobody says, so both ends are widened by the filter's own step (C5)."""
    listing = ListSettings.model_validate({**PLAIN["list"], "time": time})
    window = Window(datetime(2024, 1, 1, 10, 0, 0, 5, tzinfo=UTC), datetime(2024, 1, 1, 11, 0, 0, 5, tzinfo=UTC))
    assert tuple(moments.question(listing, window, ZoneInfo("UTC")).values()) == asked


def test_a_list_by_last_change_is_asked_by_that_alone():
    """Where both kinds of filter are configured, the one that sees changes is used."""
    filters = {
        "created_at_min": "cmin", "created_at_max": "cmax", "updated_at_min": "umin", "updated_at_max": "umax",
    }  # fmt: skip
    connector = gateway(listing={"filters": filters})
    assert connector.facts.streams[0].filter_by is FilterBy.UPDATED
    handle, asked = answering({"payments": []})
    assert listed(connector, handle) == []
    assert set(asked[0].url.params) == {"umin", "umax", "page", "per_page"}


CAPABILITIES = (ListsItems, Rebuilds, ReadsItems, ReportsStatus, Receives, Signs)


@pytest.mark.parametrize(
    ("changes", "claimed"),
    [
        ({}, {*CAPABILITIES}),
        ({"webhook": None}, {ListsItems, Rebuilds, ReadsItems, ReportsStatus}),
        ({"webhook": {}}, {ListsItems, Rebuilds, ReadsItems, ReportsStatus}),
        ({"status": None}, {ListsItems, Rebuilds, Receives, Signs}),
        ({"list": None}, {ReportsStatus, Receives, Signs}),
        ({"signature": {"scheme": "none"}}, {*CAPABILITIES} - {Signs}),
        ({"signature": {"scheme": "jwt", "header": "X-Token", "algorithm": "RS256"}}, {*CAPABILITIES} - {Signs}),
        ({"signature": {"scheme": "standard-webhooks"}}, {*CAPABILITIES}),
        ({"signature": {"scheme": "token", "header": "X-Token"}}, {*CAPABILITIES}),
    ],
)
def test_it_claims_what_it_is_configured_for(changes, claimed):
    """Jobs ask `isinstance`: a gateway without a status call cannot be asked, one without a list lists nothing."""
    settings = {key: value for key, value in changed(PLAIN, **changes).items() if value is not None}
    connector = Gateway(GatewaySettings.model_validate(settings))
    assert {one for one in CAPABILITIES if isinstance(connector, one)} == claimed
    assert isinstance(connector, Gateway)
    assert type(connector) is type(Gateway(GatewaySettings.model_validate(settings)))


def test_without_a_list_no_topic_is_proven_by_one():
    """A provider that has none (Midtrans) says so of each topic, and greets by asking for nobody's status."""
    settings = {key: value for key, value in PLAIN.items() if key != "list"}
    connector = Gateway(GatewaySettings.model_validate(settings))
    assert connector.facts.streams == ()
    assert {topic.unrebuildable for topic in connector.facts.topics} >= {"no list is configured"}
    handle, asked = answering({"error": "no such payment"}, status=404)
    assert connector.greet(client_for(connector, handle)).account.startswith("gateway-")
    assert asked[0].url.path == "/get-status"
    with pytest.raises(CredentialsRefused):
        connector.greet(client_for(connector, answering({}, status=401)[0]))


def test_other_credentials_and_other_questions_are_other_accounts():
    """Coverage is kept for who asked, and what: neither a new key nor a new filter inherits it (C12)."""
    handle, _ = answering({"payments": []})

    def account(connector):
        return connector.greet(client_for(connector, handle)).account

    accounts = [
        account(gateway()),
        account(gateway(auth={"bearer": "another_dummy"})),
        account(gateway(auth={"query": {"name": "key", "value": "gate_dummy_token"}})),
        account(gateway(listing={"path": "/charges"})),
        account(gateway(listing={"filters": {"created_at_min": "since"}})),
        account(gateway(statuses={**STATUSES, "settled": "succeeded"})),
        account(gateway(fields={**FIELDS, "id": "/id"})),
    ]
    assert len(set(accounts)) == len(accounts)
    assert account(gateway()) == account(gateway(signature={"scheme": "token", "header": "X-Token"}))


@pytest.mark.parametrize(
    "answer",
    [
        {"payments": None}, {"payments": {}}, {"payments": "none"}, {"data": []}, {"payments": [1]},
        {"payments": [None]}, {"payments": [{}]}, {"payments": [{**ITEM, "reference": ""}]},
        {"payments": [{**ITEM, "reference": None}]},
        {"payments": [{**ITEM, "reference": "x" * 500}]}, {"payments": [{**ITEM, "reference": ["a"]}]},
        {"payments": [{**ITEM, "created_at": None}]}, {"payments": [{**ITEM, "created_at": "soon"}]},
        {"payments": [{**ITEM, "status": None}]}, {"payments": [{**ITEM, "amount": "12,50"}]},
        {"payments": [{**ITEM, "amount": True}]}, {"payments": [{**ITEM, "amount": [1]}]},
        {"payments": [ITEM, "cut"]}, b'{"payments": [' + b"[" * 100_000, b'{"payments": [{"reference": NaN}]}',
        b'{"payments": [{"reference": "\xff"}]}',
    ],
)  # fmt: skip
def test_what_is_not_the_list_is_an_error(answer):
    """A missing list, one of another kind, or an item that cannot be read: never "nothing missing" (C9)."""
    handle, _ = answering(answer)
    with pytest.raises(BadAnswer):
        listed(gateway(), handle)


def test_html_with_status_200_is_an_error():
    """A page for people is no list (C9)."""
    faults = Faults(FakeGateway(shapes.PLAIN, clock=SettableClock(NOW)))
    faults.add(html(), times=0)
    with pytest.raises(BadAnswer, match="not the expected list"):
        listed(gateway(), faults.handle)


PAGINGS = {
    "cursor that is not there": (BY_CURSOR, {"payments": [ITEM]}),
    "cursor within nothing": (BY_CURSOR, {"payments": [ITEM], "meta": None}),
    "cursor within text": (BY_CURSOR, {"payments": [ITEM], "meta": "none"}),
    "cursor that is none": (BY_CURSOR, {"payments": [ITEM], "meta": {"next": {"after": "x"}}}),
    "cursor that is true": (BY_CURSOR, {"payments": [ITEM], "meta": {"next": True}}),
    "next URL of another host": (BY_NEXT, {"payments": [ITEM], "links": {"next": "https://evil.example/payments"}}),
    "next URL without a scheme": (BY_NEXT, {"payments": [ITEM], "links": {"next": "//evil.example/payments"}}),
    "next URL behind an @": (
        BY_NEXT,
        {"payments": [ITEM], "links": {"next": "https://api.gateway.example@evil.example/x"}},
    ),
    "next URL over http": (BY_NEXT, {"payments": [ITEM], "links": {"next": "http://api.gateway.example/payments"}}),
    "next URL that is a word": (BY_NEXT, {"payments": [ITEM], "links": {"next": "next"}}),
    "next URL that is a number": (BY_NEXT, {"payments": [ITEM], "links": {"next": [2]}}),
    "links that are not there": (BY_NEXT, {"payments": [ITEM]}),
}


@pytest.mark.parametrize("case", PAGINGS)
def test_a_next_page_that_leads_nowhere_is_an_error(case):
    """Neither an answer without its outermost parts nor a link elsewhere ends a list, or gets a credential (C8, X2)."""
    settings, answer = PAGINGS[case]
    handle, asked = answering(answer)
    with pytest.raises(BadAnswer):
        listed(gateway(settings), handle)
    assert {request.url.host for request in asked} == {"api.gateway.example"}


def test_the_end_may_be_said_by_nothing_deeper_in():
    """`_links.next: null` ends a list (Mollie), and so does an empty cursor."""
    connector = gateway(listing={"paging": {"next": "/_links/next/href"}})
    for links in ({"next": None}, {}, {"next": {"href": None}}, {"next": {"href": ""}}):
        assert len(listed(connector, answering({"payments": [ITEM], "_links": links})[0])) == 1
    for token in (None, ""):
        handle, _ = answering({"payments": [{**ITEM}], "meta": {"next": token}})
        assert len(listed(gateway(BY_CURSOR), handle)) == 1


def test_links_may_be_relative():
    """A path of the host, or a query of the same path, goes on with the list."""
    for link in ("/payments?cursor=2", "?cursor=2"):
        first = {"payments": [ITEM], "links": {"next": link}}
        handle, asked = answering(first, {"payments": [], "links": {"next": None}})
        assert len(listed(gateway(BY_NEXT), handle)) == 1
        assert asked[1].url.path == "/payments"
        assert dict(asked[1].url.params) == {"cursor": "2", "api_key": "query_dummy_value"}


def test_more_is_believed_only_with_something_to_go_on_from():
    """`has_more` without a token is no end, a word for it no answer."""
    paging = {"cursor": "after", "last": "/reference", "more": "/has_more"}
    connector = gateway(listing={"paging": paging})
    for body in (
        {"payments": [], "has_more": True},
        {"payments": [ITEM], "has_more": "yes"},
        {"payments": [ITEM], "has_more": None},
        {"payments": [ITEM]},
    ):
        with pytest.raises(BadAnswer):
            listed(connector, answering(body)[0])
    handle, asked = answering({"payments": [ITEM], "has_more": True}, {"payments": [], "has_more": False})
    assert len(listed(connector, handle)) == 1
    assert asked[1].url.params["after"] == "ref_1"


def test_a_short_page_is_not_the_end():
    """A provider that gives fewer than asked for, without a word, is read to its end all the same."""
    clock = SettableClock(START)
    shape = replace(shapes.PAYSTACK, max_size=20)
    fake = FakeGateway(shape, clock=clock)
    keys = {fake.create() for _ in range(45)}
    clock.set(NOW)
    connector = Gateway(GatewaySettings.model_validate(settings_of("paystack")))
    pages = connector.pages(client_for(connector, fake.handle), StreamRef("transaction"), WINDOW, ())
    assert {item.subject.id for page in pages for item in page.items} == keys


@pytest.mark.parametrize("settings", [BY_NEXT, changed(BY_LINK, auth=BY_NEXT["auth"])])
def test_a_credential_in_the_query_is_nowhere_else(settings, caplog):
    """Not in a cursor that is kept, not in an error that quotes an answer which echoes it (X1)."""
    secret = "query_dummy_value"
    link = f"https://api.gateway.example/payments?cursor=2&api_key={secret}"
    first = {"payments": [ITEM], "links": {"next": link}, "echo": secret}
    handle, asked = answering(first, b"<html>" + secret.encode(), headers={"Link": f'<{link}>; rel="next"'})
    connector = gateway(settings)
    pages = connector.pages(client_for(connector, handle), STREAM, WINDOW, ())
    assert secret not in (next(iter(pages)).next or "")
    with pytest.raises(ProviderError) as error:
        list(pages)
    assert secret not in f"{error.value!r} {error.value} {caplog.text} {connector!r} {connector._settings!r}"
    assert [request.url.params.get_list("api_key") for request in asked[:2]] == [[secret], [secret]]


def test_a_cent_is_never_lost():
    """Amounts are read from the bytes as decimals: no float is ever made of them (P4)."""
    connector = gateway()
    texts = {"0.1": "0.1", "1234567890123456789.01": "1234567890123456789.01", '"10000.00"': "10000.00", "1e2": "100"}
    for text, amount in texts.items():
        body = json.dumps({**ITEM, "amount": 0}).replace('"amount": 0', f'"amount": {text}').encode()
        handle, _ = answering(body)
        reported = connector.status(client_for(connector, handle), Subject("payment", "ref_1"))
        assert reported.amount == Decimal(amount)
        assert str(reported.amount) == amount


def test_the_status_of_one():
    """The id is filled in and escaped; what is answered becomes our word for it, with the fact it proves."""
    connector = gateway(status={"path": "/v1/payments/{id}", "params": {"expand": "{id}"}, "item": "/data"})
    item = {**ITEM, "reference": "a/b?c=d&e ä", "amount": "5.00", "currency": "EUR"}
    handle, asked = answering({"data": item})
    reported = connector.status(client_for(connector, handle), Subject("payment", item["reference"]))
    assert asked[0].url.raw_path.startswith(b"/v1/payments/a%2Fb%3Fc%3Dd%26e%20%C3%A4?")
    assert asked[0].url.params["expand"] == item["reference"]
    assert (reported.status, reported.raw) == (TransactionStatus.SUCCEEDED, "paid")
    assert (reported.amount, reported.currency) == (Decimal("5.00"), "EUR")
    assert reported.at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    (fact,) = reported.facts
    assert fact.key == "payment.succeeded:a/b?c=d&e ä"
    assert json.loads(fact.body()) == item


@pytest.mark.parametrize("id_", [".", "..", ""])
def test_an_id_that_would_climb_is_not_asked_for(id_):
    """It may be somebody else's text."""
    handle, asked = answering({})
    connector = gateway(status={"path": "/payments/{id}"})
    with pytest.raises(Rejected):
        connector.status(client_for(connector, handle), Subject("payment", id_))
    assert asked == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"data": ITEM},
        {**ITEM, "reference": "ref_2"},
        {**ITEM, "status": None},
        {**ITEM, "amount": "?"},
        b"<html>",
    ],
)
def test_an_answer_that_is_no_item_says_nothing(answer):
    """Unreadable, empty, or about another id: an error, so that the state stays what it was (P2)."""
    handle, _ = answering(answer)
    connector = gateway()
    with pytest.raises(BadAnswer):
        connector.status(client_for(connector, handle), Subject("payment", "ref_1"))


def test_one_that_is_not_known_is_none():
    """404 and 410, and an empty list where the item would be the first of one (P2)."""
    connector = gateway()
    for status in (404, 410):
        handle, _ = answering({}, status=status)
        assert connector.status(client_for(connector, handle), Subject("payment", "ref_1")) is None
    connector = gateway(status={"path": "/payments", "params": {"ref": "{id}"}, "item": "/data/0"})
    assert connector.status(client_for(connector, answering({"data": []})[0]), Subject("payment", "ref_1")) is None
    with pytest.raises(BadAnswer):
        connector.status(client_for(connector, answering({"data": None})[0]), Subject("payment", "ref_1"))


def test_an_unknown_word_is_pending_and_said_once(caplog):
    """Statuses are open-ended: a new one is never taken for an end, and nobody is told of it a hundred times."""
    connector = gateway()
    body = {"payments": [{**ITEM, "reference": f"ref_{n}", "status": "on_\u202ehold"} for n in range(5)]}
    with caplog.at_level(logging.WARNING):
        items = listed(connector, answering(body, {"payments": []})[0])
        items += listed(connector, answering(body, {"payments": []})[0])
    assert {connector.listed(item)[0].status for item in items} == {TransactionStatus.PENDING}
    assert [connector.rebuild(item, frozenset({"payment.succeeded"})) for item in items] == [[]] * 10
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "\u202e" not in said[0]


def test_a_listed_item_is_the_transaction_it_shows():
    """Pending ones begin to be asked for by their own time; terminal ones prove their fact."""
    connector = gateway()
    body = {"payments": [{**ITEM, "status": "pending"}, {**ITEM, "reference": "ref_2"}]}
    pending, paid = (connector.listed(item)[0] for item in listed(connector, answering(body, {"payments": []})[0]))
    assert (pending.status, pending.at, pending.facts) == ("pending", datetime(2026, 11, 20, 10, tzinfo=UTC), ())
    assert [fact.key for fact in paid.facts] == ["payment.succeeded:ref_2"]


def test_what_was_refunded_had_succeeded():
    """A list shows a refunded payment once: both facts are proven by it, the older one first."""
    connector = gateway()
    body = {"payments": [{**ITEM, "status": "refunded"}]}
    (item,) = listed(connector, answering(body, {"payments": []})[0])
    topics = frozenset({"payment.succeeded", "payment.refunded"})
    facts = connector.rebuild(item, topics)
    assert [(fact.topic, fact.occurred_at.hour) for fact in facts] == [
        ("payment.succeeded", 10),
        ("payment.refunded", 11),
    ]


def test_two_deliveries_of_one_fact_are_one():
    """Under whatever event id it is told: a fact happens once for a topic and an id."""
    connector = gateway()
    first, second = (
        json.dumps({"event_id": event_id, "event_type": "payment.succeeded", "data": ITEM}).encode()
        for event_id in ("evt_1", "evt_2")
    )
    ids = {connector.identify(Delivery({}, body, NOW)).id for body in (first, second)}
    assert ids == {"payment.succeeded:ref_1"}
    other = json.dumps({"event_id": "evt_3", "event_type": "dispute.opened", "data": ITEM}).encode()
    assert connector.identify(Delivery({}, other, NOW)).id == "evt_3"


def test_a_delivery_may_be_the_item_itself():
    """Without a topic of its own, the item's status says which it is; without an id, its bytes say who it is."""
    connector = gateway(webhook={"event": {}, "signature": {"scheme": "token", "header": "X-Token"}})
    body = json.dumps({**ITEM, "status": "failed"}).encode()
    identity = connector.identify(Delivery({}, body, NOW))
    assert (identity.id, identity.topic) == ("payment.failed:ref_1", "payment.failed")
    assert connector.describe("payment.failed", body, {}).key == "payment.failed:ref_1"
    (told,) = connector.told("payment.failed", body)
    assert (told.status, told.facts) == ("failed", ())


def test_what_a_delivery_says_of_time_and_money_never_loses_it():
    """A time or an amount that cannot be read costs its order, not the delivery; nor does one that is not there."""
    connector = gateway()
    for odd in ({"created_at": "soon"}, {"updated_at": {}}, {"amount": "?"}, {"created_at": None, "updated_at": None}):
        body = json.dumps({"event_id": "e", "event_type": "payment.succeeded", "data": {**ITEM, **odd}}).encode()
        assert connector.describe("payment.succeeded", body, {}).key == "payment.succeeded:ref_1"
    body = json.dumps({"event_id": "e", "event_type": "ping", "data": {}}).encode()
    said = connector.describe("ping", body, {})
    assert (said.topic, said.subject) == ("ping", None)
    assert connector.told("ping", body) == ()


def test_the_fake_refuses_what_a_gateway_refuses():
    """Unknown parameters, sizes beyond its most, cursors of nobody, times of another format, no credential."""
    clock = SettableClock(START)
    fake = FakeGateway(shapes.RAZORPAY, clock=clock)
    fake.subscribe(URL, "whsec_dummy")
    key = fake.create()
    auth = {"Authorization": "Basic cnpwX3Rlc3RfZHVtbXk6c2VjcmV0X2R1bW15"}

    def status_of(path, headers=auth):
        return fake.handle(httpx.Request("GET", f"https://api.razorpay.com{path}", headers=headers)).status_code

    assert status_of("/v1/payments?count=100") == 200
    assert status_of("/v1/payments?count=101") == 400
    assert status_of("/v1/payments?skip=-1") == 400
    assert status_of("/v1/payments?from=2024-01-01") == 400
    assert status_of("/v1/payments?page=2") == 400
    assert status_of(f"/v1/payments/{key}") == 200
    assert status_of("/v1/payments/nobody") == 404
    assert status_of("/v1/payments", {}) == 401
    fake.become(key, TransactionStatus.SUCCEEDED)
    with pytest.raises(ValueError, match="never becomes"):
        fake.become(key, TransactionStatus.FAILED)
    assert [sent.topic for sent in fake.outbox] == ["payment.captured"]


def test_a_change_shows_when_the_lag_is_over():
    """Until then the fake's list and status call show the payment as it was."""
    clock = SettableClock(START)
    fake = FakeGateway(shapes.PLAIN, clock=clock, lag=30.0)
    key = fake.create()
    connector = gateway()
    client = client_for(connector, fake.handle)
    assert connector.status(client, Subject("payment", key)) is None
    clock.advance(30)
    fake.become(key, TransactionStatus.SUCCEEDED)
    assert connector.status(client, Subject("payment", key)).status is TransactionStatus.PENDING
    clock.advance(30)
    assert connector.status(client, Subject("payment", key)).status is TransactionStatus.SUCCEEDED
