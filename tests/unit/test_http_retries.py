"""What is tried again, when, and how often."""

import threading
from datetime import UTC, datetime

import httpx
import pytest
from support.clock import START, ManualClock
from support.http import Script, make_client

from reconcile.clock import Stop
from reconcile.errors import BadAnswer, CredentialsRefused, NotFound, Rejected, Retriable, Stopped
from reconcile.http import HttpLimits, RateBudget
from reconcile.http.faults import NotDone
from reconcile.http.retries import FIRST_BACKOFF, LONGEST_BACKOFF, full_jitter

OK = httpx.Response(200, json=[])
GET_FAULTS = [
    httpx.ConnectError("[Errno -2] Name or service not known"),
    httpx.ConnectTimeout("timed out"),
    httpx.PoolTimeout(""),
    httpx.ReadTimeout("timed out"),
    httpx.WriteTimeout("timed out"),
    httpx.ReadError("[Errno 104] Connection reset by peer"),
    httpx.WriteError("[Errno 32] Broken pipe"),
    httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    *(httpx.Response(status) for status in (408, 425, 429, 500, 502, 503, 504, 520, 599)),
    httpx.Response(409, headers={"stripe-should-retry": "true"}),
]


@pytest.mark.parametrize("fault", GET_FAULTS, ids=repr)
def test_a_passing_fault_costs_one_more_request(fault):
    """429, 408, 425, 5xx, timeouts, resets and DNS failures: a GET is asked again and the answer is good."""
    provider = Script(fault, OK)
    client = make_client(provider)
    assert client.get("/x").status == 200
    assert len(provider.seen) == client.requests == 2


@pytest.mark.parametrize("fault", GET_FAULTS, ids=repr)
def test_a_lasting_fault_ends_after_the_attempts(fault):
    """A provider that stays down is a `Retriable` that says how often it was asked: never "0 missing"."""
    provider = Script(fault)
    with pytest.raises(Retriable, match=r"acme: GET /x.*run again.*\(after 5 attempts\)"):
        make_client(provider).get("/x")
    assert len(provider.seen) == 5


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, CredentialsRefused, "acme: GET /x answered 401 .*renew them, then run `reconcile check`"),
        (403, CredentialsRefused, "acme: GET /x answered 403 .*lack a permission"),
        (404, NotFound, "acme: GET /x answered 404: it is not there"),
        (410, NotFound, "acme: GET /x answered 410: it is not there"),
        (400, Rejected, "acme: GET /x answered 400 .*because.*not accepted"),
        (402, Rejected, "acme: GET /x answered 402"),
        (409, Rejected, "acme: GET /x answered 409"),
        (422, Rejected, "acme: GET /x answered 422"),
        (300, BadAnswer, "acme: GET /x answered 300"),
        (304, BadAnswer, "acme: GET /x answered 304"),
    ],
)
def test_what_retrying_cannot_mend_is_raised_at_once(status, error, message):
    """401, 403, 404 and the other 4xx are final: one request, and the error says what to do next."""
    provider = Script(httpx.Response(status, json={"errors": "because"}))
    with pytest.raises(error, match=message) as refused:
        make_client(provider).get("/x")
    assert len(provider.seen) == 1
    if isinstance(refused.value, Rejected):
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("2.0", 2.0),
        ("0.25", 0.25),
        ("0", 0.0),
        ("-5", 0.0),
        ("-inf", 0.0),
        ("86400", 60.0),
        ("1e400", 60.0),
        ("99999999999999999999999999", 60.0),
        ("Sat, 01 Jun 2024 12:00:20 GMT", 20.0),
        ("Saturday, 01-Jun-24 12:00:20 GMT", 20.0),
        ("Sat, 01 Jun 2024 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60.0),
        (None, 1.0),
        ("", 1.0),
        ("nan", 1.0),
        ("soon", 1.0),
        ("Sat, 99 Jun 2024 12:00:20 GMT", 1.0),
        ("2 seconds", 1.0),
    ],
)
def test_retry_after_in_each_form_is_waited_for_within_the_cap(header, seconds):
    """Seconds, decimals, dates, absurd, negative, missing: min(max(value, 0), 60), then the request again."""
    clock = ManualClock()
    provider = Script(httpx.Response(429, headers={} if header is None else {"retry-after": header}), OK)
    client = make_client(provider, clock=clock)
    client.get("/x")
    assert clock.monotonic() == client.waited == pytest.approx(seconds)


def test_a_retry_date_is_compared_with_the_providers_own_clock():
    """C15: our clock being an hour off does not turn a wait of 20 s into an hour or into none."""
    clock = ManualClock(datetime(2024, 6, 1, 13, 0, tzinfo=UTC))
    headers = {"retry-after": "Sat, 01 Jun 2024 12:00:20 GMT", "date": "Sat, 01 Jun 2024 12:00:00 GMT"}
    make_client(Script(httpx.Response(503, headers=headers), OK), clock=clock).get("/x")
    assert clock.monotonic() == 20.0


def test_more_than_the_cap_is_waited_for_in_vain_then_given_up():
    """A provider that wants an hour gets the cap between attempts; then the run ends partial, not hung."""
    clock = ManualClock()
    provider = Script(httpx.Response(429, headers={"retry-after": "3600"}))
    with pytest.raises(Retriable, match="rate limit") as limited:
        make_client(provider, clock=clock, limits=HttpLimits(attempts=3)).get("/x")
    assert clock.monotonic() == 120.0
    assert limited.value.retry_after == 60.0


def test_a_rate_limit_holds_every_thread_of_the_source():
    """A 429 seen by one client pauses the budget, so others that share it wait too."""
    clock = ManualClock()
    budget = RateBudget(1000.0, clock)
    limited = Script(httpx.Response(429, headers={"retry-after": "30"}))
    with pytest.raises(Retriable):
        make_client(limited, clock=clock, budget=budget, limits=HttpLimits(attempts=1)).get("/x")
    assert clock.monotonic() == 0.0
    make_client(Script(OK), clock=clock, budget=budget).get("/x")
    assert clock.monotonic() == pytest.approx(30.0)


def test_the_providers_headers_set_the_pace():
    """`pace` reads an answer's own limits; what it asks is waited for before the next request, up to the cap."""
    clock = ManualClock()
    client = make_client(
        Script(httpx.Response(200, headers={"x-call-limit": "39/40"})),
        clock=clock,
        pace=lambda answer: 4.0 if answer.headers.get("x-call-limit") == "39/40" else 0.0,
    )
    client.get("/x")
    client.get("/x")
    assert clock.monotonic() == 4.0
    greedy = make_client(Script(OK), clock=(clock := ManualClock()), pace=lambda _answer: 1e9)
    greedy.get("/x")
    greedy.get("/x")
    assert clock.monotonic() == 60.0


def test_backoff_is_full_jitter_on_a_doubling_bound():
    """Each wait is drawn from 0 to a bound that doubles, and is what the clock is asked for."""
    bounds, clock = [], ManualClock()
    with pytest.raises(Retriable):
        make_client(
            Script(httpx.Response(500)),
            clock=clock,
            limits=HttpLimits(attempts=9),
            jitter=lambda longest: bounds.append(longest) or longest / 2,
        ).get("/x")
    assert bounds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert clock.waits == [bound / 2 for bound in bounds]
    assert bounds[0] == FIRST_BACKOFF
    assert bounds[-1] == LONGEST_BACKOFF


def test_jitter_covers_the_whole_range():
    """Full jitter: from nothing to the bound."""
    drawn = [full_jitter(1.0) for _ in range(400)]
    assert min(drawn) >= 0.0
    assert max(drawn) <= 1.0
    assert max(drawn) - min(drawn) > 0.8


def test_a_stop_ends_the_wait_between_attempts():
    """L2: a stop during a backoff raises `Stopped` and no further request is sent."""
    stop = Stop()
    provider = Script(lambda _request: stop.set() or httpx.Response(500))
    with pytest.raises(Stopped):
        make_client(provider, stop=stop).get("/x")
    assert len(provider.seen) == 1


def test_a_stopped_client_sends_nothing():
    """L2: after a stop no request starts, even when none would have to wait."""
    stop, provider = Stop(), Script(OK)
    stop.set()
    with pytest.raises(Stopped):
        make_client(provider, stop=stop).get("/x")
    assert provider.seen == []


UNCERTAIN = [httpx.ReadTimeout(""), httpx.ReadError(""), httpx.RemoteProtocolError(""), httpx.Response(500)]
UNDONE = [
    httpx.ConnectError(""),
    httpx.ConnectTimeout(""),
    httpx.PoolTimeout(""),
    httpx.Response(425),
    httpx.Response(429),
]


@pytest.mark.parametrize("method", ["post", "put"])
@pytest.mark.parametrize("fault", UNCERTAIN, ids=repr)
def test_a_change_whose_outcome_is_unknown_is_not_sent_twice(method, fault):
    """S2: after a timeout, a reset or a 5xx the provider may have acted, so the caller must look first."""
    provider = Script(fault, OK)
    client = make_client(provider)
    with pytest.raises(Retriable):
        getattr(client, method)("/webhooks.json", json={})
    assert len(provider.seen) == client.mutations == 1


@pytest.mark.parametrize("method", ["post", "put"])
@pytest.mark.parametrize("fault", UNDONE, ids=repr)
def test_a_change_that_surely_did_not_happen_is_sent_again(method, fault):
    """S2: no connection, or a rate limit: the provider did nothing."""
    client = make_client(Script(fault, OK))
    assert getattr(client, method)("/webhooks.json", json={}).status == 200
    assert client.mutations == 2


@pytest.mark.parametrize("method", ["post", "put"])
@pytest.mark.parametrize("fault", UNCERTAIN + UNDONE, ids=repr)
def test_an_idempotent_change_is_sent_again(method, fault):
    """S2: with an idempotency key, sending twice is doing once."""
    client = make_client(Script(fault, OK))
    assert getattr(client, method)("/x", json={}, idempotent=True).status == 200


def test_a_refused_token_is_renewed_once_and_the_request_sent_again():
    """401: `refresh` is called once; a second 401 is `CredentialsRefused`."""
    token = ["old_dummy"]
    renewed = []

    def provider(request):
        return httpx.Response(200 if request.headers["x-token"] == "new_dummy" else 401)

    def refresh(_client):
        renewed.append(1)
        token[0] = "new_dummy"
        return True

    client = make_client(provider, headers=lambda: {"X-Token": token[0]}, refresh=refresh)
    assert client.get("/x").status == 200
    assert (len(renewed), client.requests) == (1, 2)
    hopeless = make_client(Script(httpx.Response(401)), refresh=lambda _client: True)
    with pytest.raises(CredentialsRefused):
        hopeless.get("/x")
    assert hopeless.requests == 2


def test_a_renewal_may_use_the_client_and_its_own_refusal_does_not_renew_again():
    """401 while asking for a token ends the renewal: no recursion, and the refusal is what is reported."""
    client = make_client(
        Script(httpx.Response(401)), refresh=lambda client: client.post("/oauth", mutates=False).status == 200
    )
    with pytest.raises(CredentialsRefused, match="POST /oauth"):
        client.get("/x")
    assert (client.requests, client.mutations) == (2, 0)


def test_a_renewal_that_cannot_help_leaves_the_refusal():
    """401 with nothing new to offer is not asked again; 403 is never renewed."""
    client = make_client(Script(httpx.Response(401)), refresh=lambda _client: False)
    with pytest.raises(CredentialsRefused):
        client.get("/x")
    assert client.requests == 1
    renewed = []
    lacking = make_client(Script(httpx.Response(403)), refresh=lambda _client: renewed.append(1) or True)
    with pytest.raises(CredentialsRefused):
        lacking.get("/x")
    assert renewed == []


def test_threads_that_see_a_refusal_together_renew_once():
    """401 on many threads at once is one renewal, and all of them go on."""
    token, renewed = ["old_dummy"], []
    together = threading.Barrier(8)

    def provider(request):
        if request.headers["x-token"] == "old_dummy":
            together.wait(timeout=10)
            return httpx.Response(401)
        return httpx.Response(200)

    def refresh(_client):
        renewed.append(1)
        token[0] = "new_dummy"
        return True

    client = make_client(provider, headers=lambda: {"X-Token": token[0]}, refresh=refresh)
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(client.get("/x").status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert statuses == [200] * 8
    assert renewed == [1]


def test_the_last_error_keeps_its_kind():
    """What a caller may repeat safely is told apart also after the attempts are used up."""
    with pytest.raises(NotDone):
        make_client(Script(httpx.ConnectError(""))).post("/x", json={})
    with pytest.raises(Retriable) as uncertain:
        make_client(Script(httpx.ReadTimeout(""))).post("/x", json={})
    assert not isinstance(uncertain.value, NotDone)


def test_the_clock_starts_where_the_tests_expect():
    """The dates above are relative to this instant."""
    assert datetime(2024, 6, 1, 12, 0, tzinfo=UTC) == START
