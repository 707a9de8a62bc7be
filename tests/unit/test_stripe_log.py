"""Stripe's event log: oldest first, whichever way it has to be walked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.stripe import Stripe, StripeSettings, log
from connectors.stripe.topics import type_filter
from reconcile.connector import StreamRef
from reconcile.errors import BadAnswer, Rejected
from reconcile.model import Subject, Window
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.stripe.event_types import EVENT_TYPES
from reconcile.testing.worlds import client_for
from reconcile.topics import Topics

START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
EVENTS = StreamRef("events")
STRIPE = Stripe(StripeSettings(api_key="sk_test_dummy"))


def happened(seconds, *, older=True):
    """A fake in which a customer is created at each of `seconds` after START, and its clock."""
    clock = SettableClock(START - timedelta(seconds=60))
    fake = FakeStripe(clock=clock, throttle=False)
    if older:
        fake.create_customer()
    for second in sorted(seconds):
        clock.set(START + timedelta(seconds=second))
        fake.create_customer()
    clock.set(START + timedelta(days=1))
    return fake


def listed(fake, window, *, topics=(), cursor=None, connector=STRIPE, stream=EVENTS):
    return list(connector.pages(client_for(connector, fake.handle), stream, window, topics, cursor))


def ids(pages):
    return [event.id for page in pages for event in page.items]


def expected(fake, window):
    return [one.event_id for one in fake.truth if one.at.replace(microsecond=0) in window]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds=st.lists(st.integers(0, 6), max_size=30),
    cut=st.integers(0, 6),
    older=st.booleans(),
    kept=st.integers(1, 3),
    size=st.integers(1, 4),
)
def test_any_window_is_listed_in_order(monkeypatch, seconds, cut, older, kept, size):
    """Ties, page sizes, a start with and without an older event: always every event, once, oldest first (C5, C6)."""
    fake = happened(seconds, older=older)
    window = Window(START + timedelta(seconds=cut), START + timedelta(seconds=7))
    with monkeypatch.context() as patch:
        patch.setattr(log, "_KEPT_PAGES", kept)
        patch.setitem(log.Lister.page.__kwdefaults__, "limit", size)
        pages = listed(fake, window)
        assert ids(pages) == expected(fake, window)
        assert [page.next is None for page in pages] == [False] * (len(pages) - 1) + [True]
        for done, page in enumerate(pages[:-1], start=1):
            assert ids(listed(fake, window, cursor=page.next)) == ids(pages[done:])


def test_a_window_with_an_older_event_is_walked_forwards():
    """One request finds where to start, then each page is one request, however long the log is after the window."""
    fake = happened(range(250))
    fake.requests.clear()
    pages = listed(fake, Window(START, START + timedelta(seconds=120)))
    assert [len(page.items) for page in pages] == [100, 20]
    assert len(fake.requests) == 3
    assert all("ending_before" in seen.query for seen in fake.requests[1:])


def test_a_forgotten_cursor_starts_the_window_over():
    """The log keeps 30 days; a cursor older than that is no reason to lose what is still there."""
    fake = happened(range(5))
    window = Window(START, START + timedelta(seconds=9))
    assert ids(listed(fake, window, cursor="evt_forgotten")) == expected(fake, window)


def test_other_refusals_of_a_cursor_are_errors():
    """Only what Stripe does not know is forgotten."""
    client = client_for(STRIPE, lambda _: httpx.Response(402, json={}))
    with pytest.raises(Rejected):
        list(STRIPE.pages(client, EVENTS, Window(START, START + timedelta(1)), (), "evt_1"))


def cached(fake, limit):
    """A cache before the fake that does not look at bounds: the first answer with `limit` is everybody's with it."""
    kept = []

    def handle(request):
        if request.url.params["limit"] != limit:
            return fake.handle(request)
        if not kept:
            kept.append(fake.handle(request))
        return kept[0]

    return handle


def read_through(handle, start, end):
    window = Window(START + timedelta(seconds=start), START + timedelta(seconds=end))
    return list(STRIPE.pages(client_for(STRIPE, handle), EVENTS, window, (), None))


def test_an_event_of_the_window_is_no_place_to_begin_from():
    """C9: a window begun from an event in its midst would lack all before it."""
    handle = cached(happened(range(0, 60, 10)), limit="1")
    read_through(handle, 30, 60)
    with pytest.raises(BadAnswer, match=r"/v1/events was asked for .* nothing it says is proof"):
        read_through(handle, 0, 30)


def test_events_of_another_time_are_no_proof_that_there_are_none():
    """C9: left out as lying outside the window, they would leave it empty, and covered."""
    handle = cached(happened(range(0, 60, 10)), limit="100")
    read_through(handle, 0, 30)
    with pytest.raises(BadAnswer, match=r"/v1/events was asked for .* nothing it says is proof"):
        read_through(handle, 30, 60)


def test_a_log_that_never_ends_is_an_error():
    """Walking backwards, the same page again is a loop and not a longer log (C8)."""
    page = {"data": [{"id": "evt_1", "created": 1793527200, "type": "t", "data": {"object": {}}}], "has_more": True}
    empty = {"data": [], "has_more": False}
    client = client_for(STRIPE, lambda r: httpx.Response(200, json=empty if "limit=1&" in str(r.url) else page))
    with pytest.raises(BadAnswer, match="pagination_loop"):
        list(STRIPE.pages(client, EVENTS, Window(START, START + timedelta(1)), ()))


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [], "has_more": True},
        {"data": []},
        {"has_more": False},
        {"data": None, "has_more": False},
        {"data": [{}], "has_more": False},
        {"data": [{"id": "evt_1", "created": "now", "type": "t", "data": {"object": {}}}], "has_more": False},
        {"data": [{"id": "evt_1", "created": 1, "type": "t"}], "has_more": False},
    ],
)
def test_a_page_that_cannot_be_read_is_an_error(answer):
    """A missing key, or an entry that is no event, is never an empty page (C9)."""
    client = client_for(STRIPE, lambda _: httpx.Response(200, json=answer))
    with pytest.raises(BadAnswer):
        list(STRIPE.pages(client, EVENTS, Window(START, START + timedelta(1)), ()))


def test_a_logged_event_is_described():
    """Its id, second, type, object and version; its body is the entry's own bytes."""
    fake = happened([1])
    (event,) = listed(fake, Window(START, START + timedelta(seconds=9)))[0].items
    customer = fake.truth[-1].subject_id
    assert event.at == START + timedelta(seconds=1)
    assert event.description.key == f"customer.created:{customer}"
    assert event.description.subject == Subject("customer", customer)
    assert event.description.version == int(event.at.timestamp()) * 1_000_000
    assert event.description.api_version == "2026-10-28.endive"
    assert event.body.startswith(b"{\n")


def test_a_connected_account_is_read_with_its_header():
    """Each stream of a connected account carries that account, and the platform's own never does."""
    fake = happened([1])
    connected = fake.connect("acct_2")
    connected.create_customer()
    connector = Stripe(StripeSettings(api_key="sk_test_dummy", accounts=("acct_2",)))
    assert connector.accounts() == ("acct_2",)
    window = Window(START, START + timedelta(days=2))
    found = listed(fake, window, connector=connector, stream=StreamRef("events", "acct_2"))
    assert len(ids(found)) == 1
    assert {seen.headers.get("stripe-account") for seen in fake.requests} == {"acct_2"}


@pytest.mark.parametrize(
    ("topics", "asked"),
    [
        ((), []),
        (("*",), []),
        (("charge.refunded", "*"), []),
        (("charge.refunded",), [("type", "charge.refunded")]),
        (("charge.*",), [("type", "charge.*")]),
        (("a.x", "b.y"), [("types[]", "a.x"), ("types[]", "b.y")]),
        (("charge.*", "charge.dispute.created"), [("type", "charge.*")]),
        (("charge.*", "invoice.paid"), []),
        (tuple(f"charge.t{n}" for n in range(21)), [("type", "charge.*")]),
        (tuple(f"t{n}.x" for n in range(21)), []),
    ],
)
def test_the_log_is_filtered_as_far_as_it_can_be(topics, asked):
    """Exact names up to twenty, one name or family otherwise, else everything."""
    assert type_filter(topics) == asked


_FAMILIES = sorted({f"{name.partition('.')[0]}.*" for name in EVENT_TYPES} | {"*"})


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(EVENT_TYPES) + _FAMILIES), max_size=30), st.sampled_from(sorted(EVENT_TYPES)))
def test_no_subscribed_topic_is_ever_filtered_out(topics, name):
    """Whatever is subscribed, the provider's filter lets it through (C1), in a form that Stripe accepts."""
    asked = type_filter(topics)
    through = not asked or name in Topics(value for _, value in asked)
    assert through or name not in Topics(topics)
    assert len(asked) <= 20
    assert len({key for key, _ in asked}) <= 1
    assert all(key == "type" or "*" not in value for key, value in asked)
