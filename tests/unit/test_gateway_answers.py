"""What a gateway may answer, and what the connector makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from support.answering import ITEM, STREAM, answering, gateway, listed
from support.gateways import FIELDS, PLAIN, STATUSES, changed

from connectors.gateway import Gateway, GatewaySettings, moments
from connectors.gateway.pointers import find, tokens_of
from connectors.gateway.settings_list import ListSettings
from reconcile.connector import (
    FilterBy,
    ListsItems,
    ReadsItems,
    Rebuilds,
    Receives,
    ReportsStatus,
    Signs,
)
from reconcile.errors import BadAnswer, CredentialsRefused
from reconcile.model import Window, micros
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.faults import Faults
from reconcile.sandbox.gateway import FakeGateway, shapes
from reconcile.sandbox.wire_faults import html
from reconcile.testing import NOW
from reconcile.testing.worlds import client_for

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


@pytest.mark.parametrize(
    "value",
    [
        "", "soon", True, None, [], {}, 10**30, "9" * 19, "2024-13-01", Decimal("1E+400"), "20240101", 20240101,
        "20240101120000", 20240101120000, "202401011200", -1, 1704103200000000,
    ],
)  # fmt: skip
def test_what_is_no_time_is_an_error(value):
    """Never a guess, never an overflow: `20240101`, read as a unix time, lies out of every window."""
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


@pytest.mark.parametrize("day", ["2024-06-01", "2024-W22-6"])
def test_a_list_whose_times_are_days_proves_nothing(day):
    """C3: a payment of the afternoon would lie at midnight, which was read and called final long before."""
    handle, _ = answering({"payments": [{**ITEM, "created_at": day}]})
    said = rf"ref_1 tells only the day of its created_at \({day}\), .*; let fields.created_at point to a time of day"
    with pytest.raises(BadAnswer, match=said):
        listed(gateway(), handle)
    updated, _ = answering({"payments": [{**ITEM, "updated_at": day}]})
    assert len(listed(gateway(listing={"paging": "none"}), updated)) == 1


def test_html_with_status_200_is_an_error():
    """A page for people is no list (C9)."""
    faults = Faults(FakeGateway(shapes.PLAIN, clock=SettableClock(NOW)))
    faults.add(html(), times=0)
    with pytest.raises(BadAnswer, match="not the expected list"):
        listed(gateway(), faults.handle)


@pytest.mark.parametrize(("hours", "counts"), [(-2, False), (0, True), (1, True), (2, False)])
def test_what_happened_in_an_hour_that_comes_twice_counts_in_both(hours, counts):
    """C1, C14: without an offset nobody can tell which it was; taken for the first, the second would have none."""
    start = datetime(2026, 10, 25, 0, tzinfo=UTC) + timedelta(hours=hours)  # 02:00 in Berlin for the first time
    window = Window(start, start + timedelta(hours=1))
    connector = gateway(timezone="Europe/Berlin")
    handle, _ = answering({"payments": [{**ITEM, "created_at": "2026-10-25 02:30:00"}]})
    page = next(iter(connector.pages(client_for(connector, handle), STREAM, window, ())))
    assert [item.at in window for item in page.items] == [counts]


@pytest.mark.parametrize(("minutes", "asked_until"), [(0, 0), (20, 80), (60, 120), (100, 160), (140, 140)])
def test_a_window_that_ends_in_an_hour_that_comes_twice_asks_for_both(minutes, asked_until):
    """C10: what is read as of the first hour is listed by the second; a window without it would never be proven."""
    first = datetime(2026, 10, 25, 0, tzinfo=UTC)  # 02:00 in Berlin for the first time
    window = Window(first - timedelta(days=1), first + timedelta(minutes=minutes))
    connector = gateway(timezone="Europe/Berlin")
    handle, asked = answering({"payments": []})
    next(iter(connector.pages(client_for(connector, handle), STREAM, window, ())))
    until = first + timedelta(minutes=asked_until, seconds=1)
    assert f"{until:%Y-%m-%dT%H:%M:%SZ}" in dict(asked[0].url.params).values()


def test_a_zero_is_no_time():
    """Some write 0 where nothing has happened yet: the item is as old as it was made."""
    for unset in (0, "0", None, ""):
        handle, _ = answering({"payments": [{**ITEM, "updated_at": unset}]}, {"payments": []})
        (item,) = listed(gateway(), handle)
        assert item.version == micros(item.at)
