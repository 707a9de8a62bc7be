"""How a gateway's list goes on and ends, and what is no end of it."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from support.answering import ITEM, STREAM, WINDOW, answering, gateway, listed
from support.gateways import BY_CURSOR, BY_LINK, BY_NEXT, START, changed, settings_of

from connectors.gateway import Gateway, GatewaySettings
from reconcile.connector import StreamRef
from reconcile.errors import BadAnswer, NotFound, ProviderError
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.gateway import FakeGateway, shapes
from reconcile.testing import NOW
from reconcile.testing.worlds import client_for

UP_TO_404 = {"paging": {"page": "page", "size": {"per_page": 100}, "past_end": 404}}


@pytest.mark.parametrize(
    ("listing", "answers"),
    [
        ({}, [(200, {"payments": [ITEM]}), (404, {})]),
        (UP_TO_404, [(404, {})]),
        (UP_TO_404, [(200, {"payments": [ITEM]}), (410, {})]),
    ],
    ids=["not said", "of the first page", "another status"],
)
def test_a_page_that_is_not_there_ends_a_list_only_where_that_is_said(listing, answers):
    """C9: 404 is an error, but of a page after the first one at a provider that is known to end its lists so."""
    left = iter(answers)

    def handle(_request):
        status, body = next(left)
        return httpx.Response(status, json=body)

    with pytest.raises(NotFound):
        listed(gateway(listing=listing), handle)


def test_how_a_list_ends_is_no_part_of_the_question():
    """C12: whoever learns it from a first error keeps what was proven before."""
    accounts = {gateway(listing=listing)._digest() for listing in ({}, UP_TO_404)}
    assert len(accounts) == 1
    assert gateway(listing={"paging": "none"})._digest() not in accounts


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


LINKS = {
    "as most write it": '<{}>; rel="next"',
    "without quotes": "<{}>;rel=next",
    "with spaces around =": '<{}>; rel = "next"',
    "in capitals": '<{}>; REL="Next"',
    "in single quotes": "<{}>; rel='next'",
    "after a title with a comma": '<{}>; title="a, b; c"; rel="next"',
    "with another relation": '<{}>; rel="prefetch next"',
    "after another link": '</payments?page=1>; rel="prev", <{}>; rel="next"',
    "after some that look like it": '</a>; rel="nextish", </b>; title="; rel=next"; rel="last", <{}>; rel=next',
}


@pytest.mark.parametrize("case", LINKS)
def test_the_next_link_is_found_however_it_is_written(case):
    """C8, C9: a link that was overlooked would end the list early, and what it leads to would be missed in silence."""
    header = {"Link": LINKS[case].format("https://api.gateway.example/payments?ids=1,2")}
    handle, asked = answering({"payments": [ITEM]}, {"payments": []}, headers=header)
    pages = gateway(BY_LINK).pages(client_for(gateway(BY_LINK), handle), STREAM, WINDOW, ())
    for _, _page in zip(range(2), pages, strict=False):
        pass
    assert dict(asked[1].url.params) == {"ids": "1,2"}


@pytest.mark.parametrize(
    "header", ["", "<", '</x>; rel="prev"', '</x>; rel="next', "<>; rel=next", " " * 50_000, "<a>;" * 9_000]
)
def test_a_header_without_a_next_link_is_the_end(header):
    """And takes no time to read, whatever stands in it (X5)."""
    handle, asked = answering({"payments": [ITEM]}, headers={"Link": header})
    assert len(listed(gateway(BY_LINK), handle)) == 1
    assert len(asked) == 1


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
