"""What a client sends, counts and says."""

import base64
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from support.clock import ManualClock
from support.http import TOKEN, Script, make_client

from reconcile.errors import BadAnswer, ProviderError, Rejected, Retriable
from reconcile.http import HttpLimits

OK = httpx.Response(200, json=[])


def test_every_request_carries_the_headers_of_the_moment():
    """Credentials are asked for at each attempt, so renewed ones are used at once."""
    tokens = iter(["one_dummy", "two_dummy"])
    provider = Script(httpx.Response(500), OK)
    make_client(provider, headers=lambda: {"X-Token": next(tokens)}).get("/x", headers={"Stripe-Account": "acct_1"})
    assert [request.headers["x-token"] for request in provider.seen] == ["one_dummy", "two_dummy"]
    assert provider.seen[0].headers["stripe-account"] == "acct_1"
    assert provider.seen[0].headers["accept-encoding"] == "gzip"


def test_forms_and_json_are_sent_as_such():
    """A POST or PUT body is what the provider's API takes: a form with repeated keys, or JSON."""
    provider = Script(OK)
    client = make_client(provider)
    client.post("/v1/webhook_endpoints", form={"enabled_events[]": ["a", "b"], "url": "https://x/y"})
    client.put("/webhooks/1.json", json={"webhook": {"id": 1}})
    assert [request.method for request in provider.seen] == ["POST", "PUT"]
    assert provider.seen[0].content == b"enabled_events%5B%5D=a&enabled_events%5B%5D=b&url=https%3A%2F%2Fx%2Fy"
    assert provider.seen[1].content == b'{"webhook":{"id":1}}'
    assert provider.seen[1].headers["content-type"] == "application/json"


def test_requests_and_mutations_are_counted():
    """S5: a dry run can prove that it changed nothing; a POST that only asks is no mutation."""
    client = make_client(Script(OK))
    client.get("/x")
    client.post("/graphql.json", json={"query": "{shop{id}}"}, mutates=False)
    assert (client.requests, client.mutations) == (2, 0)
    client.post("/x", json={})
    client.put("/x", json={})
    assert (client.requests, client.mutations) == (4, 2)


def test_cookies_are_never_kept():
    """X2: nothing a provider sets comes back to it by itself."""
    provider = Script(httpx.Response(200, headers={"set-cookie": "session=1; Path=/"}))
    client = make_client(provider)
    client.get("/x")
    client.get("/x")
    assert "cookie" not in provider.seen[1].headers


def test_the_providers_time_is_its_newest_date_header():
    """C15: provider time comes from the provider, whatever our clock says; an unreadable date is none."""
    dates = ["Sat, 01 Jun 2024 12:00:00 GMT", "Sat, 01 Jun 2024 12:00:05 GMT", None, "yesterday"]
    provider = Script(*(httpx.Response(200, headers={"date": date} if date else {}) for date in dates))
    clock = ManualClock(datetime(2031, 1, 1, tzinfo=UTC))
    client = make_client(provider, clock=clock)
    assert client.provider_date is None
    seen = []
    for _ in dates:
        client.get("/x")
        seen.append(client.provider_date)
    newest = datetime(2024, 6, 1, 12, 0, 5, tzinfo=UTC)
    assert seen == [newest - timedelta(seconds=5), newest, newest, None]


def test_a_refused_requests_date_counts_too():
    """C15: a 401 tells the provider's time as well as a 200."""
    client = make_client(Script(httpx.Response(401, headers={"date": "Sat, 01 Jun 2024 12:00:00 GMT"})))
    with pytest.raises(ProviderError):
        client.get("/x")
    assert client.provider_date == datetime(2024, 6, 1, 12, tzinfo=UTC)


def test_a_clock_jump_does_not_touch_the_deadline():
    """C15: an NTP step of a day in mid-answer neither ends nor extends a request."""
    clock = ManualClock()

    class Jumping(httpx.SyncByteStream):
        def __iter__(self):
            yield b"["
            clock.jump(timedelta(days=1))
            yield b"]"

    client = make_client(lambda _request: httpx.Response(200, stream=Jumping()), clock=clock)
    assert client.get("/x").content == b"[]"


def test_a_dripping_body_ends_at_the_deadline():
    """X5: the deadline is for the whole attempt; bytes that keep coming do not extend it."""
    clock = ManualClock()
    sent = []

    class Drip(httpx.SyncByteStream):
        def __iter__(self):
            while True:
                clock.advance(1.0)
                sent.append(1)
                yield b" "

    client = make_client(
        lambda _request: httpx.Response(200, stream=Drip()), clock=clock, limits=HttpLimits(deadline=5, attempts=2)
    )
    with pytest.raises(Retriable, match="did not finish its answer in time"):
        client.get("/x")
    assert len(sent) == 12
    assert clock.monotonic() == 12.0


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://evil.example/steal?token=hunter22", "evil.example"),
        ("http://shop.example/x", "shop.example"),
        ("/elsewhere", "the same host"),
        ("https://a:hunter22@evil.example/", "evil.example"),
        ("https://[::zz]/", "no URL"),
        ("", "the same host"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_only_its_host_is_named(status, location, named):
    """X2: no redirect is followed, not even within the origin; the error says where it pointed."""
    provider = Script(httpx.Response(status, headers={"location": location}))
    with pytest.raises(BadAnswer, match=named) as refused:
        make_client(provider).get("/x")
    assert len(provider.seen) == 1
    assert "hunter22" not in str(refused.value)
    assert "leave the configured origin" in str(refused.value)


SECRET_HEADERS = [
    {"X-Shopify-Access-Token": TOKEN},
    {"Authorization": f"Bearer {TOKEN}"},
    {"Authorization": "Basic " + base64.b64encode(f"AC_dummy:{TOKEN}".encode()).decode()},
]


@pytest.mark.parametrize("headers", SECRET_HEADERS)
@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_provider_that_echoes_credentials_does_not_make_us_print_them(status, headers):
    """X1: what an error quotes of a body has credentials and query values taken out."""
    echo = httpx.Response(status, text=f"bad {TOKEN} {next(iter(headers.values()))} since 2024-01-01T00")
    with pytest.raises(ProviderError) as refused:
        make_client(Script(echo), headers=lambda: headers).get("/x", {"since": "2024-01-01T00"})
    said = str(refused.value)
    assert TOKEN not in said
    assert "2024-01-01" not in said
    assert "bad ***" in said


@pytest.mark.parametrize(
    "fault",
    [
        httpx.LocalProtocolError(f"Illegal header value b'{TOKEN}\\n'"),
        httpx.RemoteProtocolError(f"illegal header line: bytearray(b'x: {TOKEN}')"),
        httpx.ReadError(TOKEN),
        httpx.InvalidURL(TOKEN),
        UnicodeEncodeError("ascii", TOKEN, 0, 1, TOKEN),
    ],
)
def test_texts_of_the_library_never_reach_an_error(fault):
    """X1: httpx quotes the header it chokes on; neither our message nor its shown causes do."""
    with pytest.raises(ProviderError) as refused:
        make_client(Script(fault)).get("/x")
    assert TOKEN not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("token", ["shpat_dummy\n", "shpat_d\u00fcmmy", "shpat\r\nX-Evil: 1"])
def test_a_credential_that_no_header_can_hold_says_so(token):
    """X1: a stray line break in a token is a final error that does not show the token."""
    with pytest.raises(Rejected, match="stray characters in the credentials") as refused:
        make_client(Script(httpx.LocalProtocolError("")), headers=lambda: {"X-Token": token}).get("/x")
    assert "shpat" not in str(refused.value)


def test_a_path_in_an_error_is_printable_and_without_its_query():
    """X1: an error names the path, safe for a terminal, and never the query."""
    with pytest.raises(Rejected) as refused:
        make_client(Script(httpx.Response(400))).get("/a%1b%5b31m/b?token=hunter22")
    assert "hunter22" not in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_client_closes_with_its_block():
    """A client is a context manager: its connections end with it."""
    closed = []

    class Transport(httpx.MockTransport):
        def close(self):
            closed.append(1)

    with make_client(Script(OK), transport=Transport(Script(OK))) as client:
        client.get("/x")
    assert closed == [1]
