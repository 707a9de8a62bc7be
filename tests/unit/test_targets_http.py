"""What a POST to a handler's URL carries, how its answer is read, and how often it is sent."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from itertools import pairwise

import httpx
import pytest
from support.clock import ManualClock
from support.pools import PATIENCE, an_event, collect, jobs

from reconcile.clock import SystemClock
from reconcile.errors import ConfigError
from reconcile.http import RateBudget
from reconcile.model import Origin
from reconcile.targets.http import HttpTarget
from reconcile.targets.model import Job, Verdict

URL = "https://app.example/hooks/shopify?tenant=1"


@pytest.fixture
def post():
    """Makes targets whose network is a function, and closes them."""
    made = []

    def make(answer, clock=None, **options):
        transport = httpx.MockTransport(answer)
        made.append(HttpTarget(URL, clock or SystemClock(), timeout=5.0, transport=transport, **options))
        return made[-1]

    yield make
    for target in made:
        target.close()


def deliver(target, event):
    """One event's outcome."""
    target.submit([Job(1, 1, "me", event, 2)])
    return collect(target, 1)[0]


def test_the_request(post):
    """H3, H10: the exact bytes, signed at the moment of sending, with one idempotency key and the marks of a replay."""
    seen, signed = [], []

    def sign(event, now):
        signed.append((event.body, now))
        return {"X-Signature": "v1=abc", "idempotency-key": "not this one"}

    clock = ManualClock(datetime(2024, 1, 2, tzinfo=UTC))
    target = post(lambda request: seen.append(request) or httpx.Response(204), clock, sign=sign)
    event = an_event(
        body=b'{"a":1.0, "b": "\xff"}',
        idempotency_key="key 1\r\n",
        origin=Origin.BACKFILL,
        reconstructed=True,
        attempt=2,
    )
    assert deliver(target, event).verdict is Verdict.HANDLED
    (request,) = seen
    assert (request.method, str(request.url), request.content) == ("POST", URL, event.body)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-signature"] == "v1=abc"
    assert request.headers["idempotency-key"] == "key%201%0D%0A"
    assert request.headers["reconcile-event"] == "evt_1; origin=backfill; reconstructed=true; late=false; attempt=2"
    assert signed == [(event.body, datetime(2024, 1, 2, tzinfo=UTC))]


def test_a_connector_may_say_another_content_type(post):
    """Form-encoded providers stay form-encoded."""
    seen = []
    sign = lambda event, now: {"Content-Type": "application/x-www-form-urlencoded"}  # noqa: E731 - short
    deliver(post(lambda request: seen.append(request) or httpx.Response(200), sign=sign), an_event(body=b"a=1"))
    assert seen[0].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("answer", "verdict", "error"),
    [
        (200, Verdict.HANDLED, ""),
        (410, Verdict.REJECTED, "the handler answered 410"),
        (404, Verdict.UNREACHABLE, "the handler answered 404; check the path of `handler`"),
        (500, Verdict.UNREACHABLE, "the handler answered 500"),
        (409, Verdict.FAILED, "the handler answered 409"),
        (421, Verdict.FAILED, "leads back to our own receiver"),
        (httpx.ConnectError("refused"), Verdict.UNREACHABLE, "no connection, or a broken one: ConnectError: refused"),
        (httpx.RemoteProtocolError("cut"), Verdict.UNREACHABLE, "RemoteProtocolError: cut"),
        (httpx.ReadTimeout("slow"), Verdict.UNREACHABLE, "no answer within 5 s"),
        (httpx.LocalProtocolError("bad"), Verdict.FAILED, "cannot be written as HTTP"),
        (RuntimeError("whsec_dummy"), Verdict.FAILED, "the request could not be made: RuntimeError: ***"),
    ],
)
def test_a_handlers_answer_becomes_a_verdict(post, answer, verdict, error):
    """What the handler says, or fails to, becomes a verdict and a text without secrets."""

    def transport(request):
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)

    outcome = deliver(post(transport, secrets=["whsec_dummy"]), an_event())
    assert outcome.verdict is verdict
    assert error in outcome.error
    assert not outcome.marked


def test_redirects_are_not_followed(post):
    """H10, X2: a redirect is a failure, and nothing is sent where it points."""
    seen = []

    def transport(request):
        seen.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://other.example/"})

    outcome = deliver(post(transport), an_event())
    assert (outcome.verdict, seen) == (Verdict.FAILED, ["app.example"])
    assert "redirect, which is not followed" in outcome.error


def test_an_event_that_cannot_be_signed(post):
    """A connector that fails on one event costs that event an attempt, and the thread goes on."""

    def sign(event, now):
        if event.topic == "bad":
            raise KeyError("secret")
        return {}

    target = post(lambda request: httpx.Response(200), sign=sign, concurrency=1)
    target.submit(jobs("bad", "good"))
    found = {outcome.job.event.topic: outcome for outcome in collect(target, 2)}
    assert (found["bad"].verdict, found["good"].verdict) == (Verdict.FAILED, Verdict.HANDLED)
    assert "KeyError: 'secret'" in found["bad"].error


def test_no_more_than_concurrency_at_once(post):
    """H11: four requests meet at a barrier, and never is there a fifth."""
    lock, barrier, running, most = threading.Lock(), threading.Barrier(4), set(), []

    def transport(request):
        with lock:
            running.add(threading.get_ident())
            most.append(len(running))
        barrier.wait(PATIENCE)
        with lock:
            running.discard(threading.get_ident())
        return httpx.Response(200)

    target = post(transport, concurrency=4)
    target.submit(jobs(*(f"t{n}" for n in range(12))))
    assert {outcome.verdict for outcome in collect(target, 12)} == {Verdict.HANDLED}
    assert max(most) == 4


def test_a_rate_spaces_the_requests(post):
    """H11: with a rate, requests begin that far apart."""
    clock = ManualClock()
    target = post(lambda request: httpx.Response(200), clock, budget=RateBudget(2.0, clock), concurrency=1)
    target.submit(jobs("a", "b", "c"))
    starts = [outcome.started_at for outcome in collect(target, 3)]
    assert [(b - a).total_seconds() for a, b in pairwise(starts)] == [0.5, 0.5]


def test_a_stop_gives_back_what_waits(post):
    """L2: a running request is answered within the grace, what has not begun is given back untried."""
    began, go = threading.Event(), threading.Event()

    def transport(request):
        began.set()
        go.wait(PATIENCE)
        return httpx.Response(200)

    target = post(transport, concurrency=1)
    target.submit(jobs("a", "b"))
    assert began.wait(PATIENCE)
    threading.Timer(0.2, go.set).start()
    found = {outcome.job.event.topic: outcome.verdict for outcome in target.stop(PATIENCE)}
    assert found == {"a": Verdict.HANDLED, "b": Verdict.RELEASED}
    assert target.in_flight() == 0


@pytest.mark.parametrize("url", ["ftp://app.example/", "https://", "https://me:pw@app.example/", "/hooks"])
def test_urls_that_cannot_be(url):
    """A URL that is none, or carries a user, is refused without being shown."""
    with pytest.raises(ConfigError) as caught:
        HttpTarget(url, SystemClock(), timeout=1.0)
    assert "pw" not in str(caught.value)
