"""What anybody on the internet may send: each answered by the right status, none stored, none a 500 (X3, X5)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from support.receiving import SECRET, Door, Headers, by_shopify, by_stripe, intent, order, receiving, request, sources

from connectors.stripe.signature import digest as stripe_digest
from reconcile.clock import SystemClock
from reconcile.ledger import Ledger
from reconcile.metrics import Unmeasured
from reconcile.receiver import Receiver
from reconcile.web import asgi
from reconcile.web.asgi import ReceiverApp


@dataclass(frozen=True)
class Kind:
    """One provider's way of delivering."""

    source: str
    body: bytes
    sign: Callable[..., Headers]
    signature: str

    @property
    def path(self) -> str:
        return f"/webhooks/{self.source}"

    @property
    def headers(self) -> Headers:
        return self.sign(self.body)

    def raw(
        self, body: bytes | None = None, *, path: str = "", without: str = "", method: str = "POST", **more
    ) -> bytes:
        """A genuine delivery, but for what is said; names of `more` with `_` for `-`."""
        headers = {name: value for name, value in self.headers.items() if name != without}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        return request(path or self.path, headers, self.body if body is None else body, method)

    def signed_as(self, value: str) -> bytes:
        return request(self.path, {**self.headers, self.signature: value}, self.body)

    def chunked(self, *chunks: bytes) -> bytes:
        return request(self.path, {**self.headers, "Transfer-Encoding": "chunked"}, b"".join(chunks))


KINDS = {
    "shopify": Kind("shop", order(), by_shopify, "X-Shopify-Hmac-Sha256"),
    "stripe": Kind("pay", intent(), by_stripe, "Stripe-Signature"),
}
Row = tuple[Callable[[Kind], bytes], int]


def twice(kind: Kind, *values: str) -> bytes:
    """The signature's header several times."""
    rest = [pair for pair in kind.headers.items() if pair[0] != kind.signature]
    return request(kind.path, [*rest, *((kind.signature, value) for value in values)], kind.body)


def genuine(kind: Kind) -> str:
    return kind.headers[kind.signature]


FORGED: dict[str, Row] = {
    "no signature": (lambda k: k.raw(without=k.signature), 401),
    "an empty signature": (lambda k: k.signed_as(""), 401),
    "another secret": (lambda k: request(k.path, k.sign(k.body, secret="whsec_dummy_other"), k.body), 401),
    "no secret is configured": (lambda k: k.raw(path=f"/webhooks/open-{k.source}"), 401),
    "a changed byte": (lambda k: k.raw(k.body.replace(b"5", b"6", 1)), 401),
    "a byte more": (lambda k: k.raw(k.body + b" "), 401),
    "a byte less": (lambda k: k.raw(k.body[:-1]), 401),
    "no body": (lambda k: k.raw(b""), 401),
    "half a signature": (lambda k: k.signed_as(genuine(k)[: len(genuine(k)) // 2]), 401),
    "a signature not ASCII": (lambda k: k.signed_as("t=1,v1=é" + "é" * 43), 401),
    "a signature of 60 KB": (lambda k: k.signed_as("A" * 60_000), 401),
    "a thousand signatures": (lambda k: k.signed_as("t=1" + ",v1=00" * 1000), 401),
    "a genuine signature, then a forged one": (lambda k: twice(k, genuine(k), "t=1,v1=AAAA"), 401),
    "a forged signature, then a genuine one": (lambda k: twice(k, "t=1,v1=AAAA", genuine(k)), 401),
    "not UTF-8": (lambda k: k.raw(b"\xff\xfe\x80" * 9), 401),
    "NUL": (lambda k: k.raw(b'{"id": "\x00"}'), 401),
    "deep nesting": (lambda k: k.raw(b"[" * 200_000), 401),
    "huge numbers": (lambda k: k.raw(b'{"id": ' + b"9" * 100_000 + b"}"), 401),
    "an upgrade": (lambda k: k.raw(without=k.signature, Connection="Upgrade", Upgrade="websocket"), 401),
}
MISPLACED: dict[str, Row] = {
    "an unknown source": (lambda k: k.raw(path="/webhooks/nobody"), 404),
    "no source": (lambda k: k.raw(path="/webhooks/"), 404),
    "another path": (lambda k: k.raw(path=f"{k.path}/more"), 404),
    "a path that climbs": (lambda k: k.raw(path=f"/webhooks/../webhooks/{k.source}"), 404),
    "a hidden slash": (lambda k: k.raw(path=f"/webhooks%2F{k.source}"), 404),
    "a hidden backslash": (lambda k: k.raw(path=f"{k.path}%5c"), 404),
    "NUL in the path": (lambda k: k.raw(path=f"{k.path}%00"), 404),
    "a line break in the path": (lambda k: k.raw(path=f"{k.path}%0d%0aX:y"), 404),
    "capitals": (lambda k: k.raw(path=k.path.upper()), 404),
    "GET": (lambda k: k.raw(method="GET"), 405),
    "DELETE": (lambda k: k.raw(method="DELETE"), 405),
    "our own replay": (lambda k: k.raw(Reconcile_Event="e; origin=backfill"), 421),
    "HTML": (lambda k: k.raw(Content_Type="text/html"), 415),
    "a form": (lambda k: k.raw(Content_Type="application/x-www-form-urlencoded"), 415),
    "XML": (lambda k: k.raw(Content_Type="application/xml"), 415),
    "a type that is none": (lambda k: k.raw(Content_Type=";;;"), 415),
}
MALFORMED: dict[str, Row] = {
    "no HTTP": (lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50, 400),
    "a length below zero": (lambda k: k.raw(Content_Length="-5"), 400),
    "a length in letters": (lambda k: k.raw(Content_Length="ten"), 400),
    "two lengths": (lambda k: request(k.path, [("Content-Length", "5"), ("Content-Length", "6")], k.body), 400),
    "a length and chunks": (lambda k: k.raw(Content_Length="5", Transfer_Encoding="chunked"), 400),
    "a chunk of no size": (lambda k: k.chunked(b"zz\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk longer than it says": (lambda k: k.chunked(b"3\r\nabcdef\r\n0\r\n\r\n"), 400),
    "a header without a colon": (lambda k: k.raw().replace(b"Host:", b"Evil\r\nHost:", 1), 400),
    "a bare CR in a header": (lambda k: k.raw().replace(b"Host: ", b"Host: a\rX: ", 1), 400),
    "NUL in a header": (lambda k: k.raw().replace(b"Host: ", b"Host: a\x00", 1), 400),
    "a header folded over lines": (lambda k: k.raw().replace(b"Host: ", b"Host: a\r\n b", 1), 400),
    "too long": (lambda k: k.raw(Content_Length="10000001"), 413),
    "longer than any number": (lambda k: k.raw(Content_Length="9" * 18), 413),
    "too long in chunks": (lambda k: k.chunked(*([b"100000\r\n" + b"x" * 0x100000 + b"\r\n"] * 10), b"0\r\n\r\n"), 413),
    "too long, asking first": (lambda k: k.raw(b"", Content_Length="10000001", Expect="100-continue"), 413),
    "a header of 100 KB": (lambda k: k.raw(X_Long="x" * 100_000), 431),
    "ten thousand headers": (lambda k: k.raw(**{f"X_{n}": "y" for n in range(10_000)}), 431),
    "a header without an end": (lambda k: k.raw().partition(b"\r\n\r\n")[0] + b"\r\nX: " + b"x" * 200_000, 431),
    "chunks that are frame only": (lambda k: k.chunked(b"1;frame\r\ny\r\n" * 200_000), 431),
    "trailers without an end": (lambda k: k.chunked(b"0\r\n", b"X-Trailer: y\r\n" * 200_000), 431),
}
TABLE = FORGED | MISPLACED | MALFORMED


class Counted(Unmeasured):
    """Remembers refusals."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def refused(self, source, reason, topic):
        """One."""
        assert reason
        assert topic == ""  # nobody who is not genuine names one
        self.reasons.append(reason)


@pytest.fixture(scope="module")
def counted():
    """What the door counted."""
    return Counted()


@pytest.fixture(scope="module")
def door(sqlite_databases, tmp_path_factory, counted):
    """One door for all of them: what one leaves behind, the next would meet."""
    with sqlite_databases.fresh(tmp_path_factory.mktemp("hostile")) as url:
        ledger = Ledger.open(url, SystemClock())
        with receiving(ledger, metrics=counted) as door:
            yield door
        ledger.close()


def nothing_happened(door: Door) -> bool:
    """No event and nobody woken."""
    return door.rows() == [] and door.woken == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", TABLE)
def test_what_is_not_a_genuine_delivery_is_refused_by_its_status(door, caplog, kind, name):
    """X3, X5: refused as it should be, stored nowhere, no handler woken, never a 500 and never a traceback."""
    make, status = TABLE[name]
    found, answer = door.send(make(kind))
    assert found == status, answer
    assert SECRET.encode() not in answer
    assert nothing_happened(door)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(("age", "status"), [(301, 401), (-310, 401), (86_400, 401)])
def test_a_signature_of_another_time_is_a_replay(door, age, status):
    """Stripe signs a time: more than five minutes either way are too far."""
    assert door.post("pay", by_stripe(intent(), age), intent())[0] == status
    assert nothing_happened(door)


STRANGE_STRIPE = {
    "another scheme": lambda at, v: f"t={at},v0={v}",
    "no time": lambda _, v: f"v1={v}",
    "two times": lambda at, v: f"t={at},t={at},v1={v}",
    "a time in words": lambda _, v: f"t=now,v1={v}",
    "a time of 5000 digits": lambda _, v: f"t={'9' * 5000},v1={v}",
    "in capitals": lambda at, v: f"t={at},v1={v.upper()}",
    "a prefix": lambda at, v: f"t={at},v1={v[:8]}",
    "bytes beyond": lambda at, v: f"t={at},v1={v}00",
}


@pytest.mark.parametrize("make", STRANGE_STRIPE.values(), ids=STRANGE_STRIPE)
def test_a_signature_almost_right_is_wrong(door, make):
    """X3: a scheme, a time and a whole digest, or nothing."""
    at, body = int(time.time()), intent()
    value = make(at, stripe_digest(SECRET, at, body))
    assert door.send(KINDS["stripe"].signed_as(value))[0] == 401
    assert nothing_happened(door)


@pytest.mark.parametrize(
    ("source", "headers", "body"),
    [
        ("shop", {"X-Shopify-Hmac-Sha256": by_shopify(order())["X-Shopify-Hmac-Sha256"]}, order()),
        *(("pay", {}, body) for body in (b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"id": 5}', b"[" * 100_000)),
    ],
)
def test_a_genuine_signature_of_nothing_that_can_be_told_is_400(door, source, headers, body):
    """Without an id and a topic there is no event to be known by."""
    assert door.post(source, headers or by_stripe(body), body)[0] == 400
    assert nothing_happened(door)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("lie", ["a length too long", "a chunk too long"])
def test_a_sender_that_leaves_in_the_middle_leaves_nothing(door, kind, lie):
    """A body that is not whole is no delivery, whoever ends it."""
    raw = kind.raw(Content_Length="5000") if lie == "a length too long" else kind.chunked(b"ffff\r\n{}")
    assert door.send(raw, hang_up=True)[0] in (0, 400)
    assert nothing_happened(door)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_sender_that_dawdles_is_answered_408(door, counted, monkeypatch, kind):
    """X5: a body that does not arrive in time is given up, however genuine its head; nothing is stored."""
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.1)
    assert door.send(kind.raw(Content_Length="5000"))[0] == 408
    assert counted.reasons.pop() == "too_slow"
    assert nothing_happened(door)


def test_every_refusal_was_counted_with_a_reason(door, counted):
    """What was refused after its head was read shows in the metrics, under few names."""
    for make, _ in (*TABLE.values(), (lambda k: k.raw(without="X-Shopify-Topic"), 400)):
        door.send(make(KINDS["shopify"]))
    named = {"signature", "path", "method", "unknown_source", "own_replay", "content_type", "too_large", "malformed"}
    assert set(counted.reasons) == named


def test_behind_all_that_a_genuine_delivery_is_still_taken(door):
    """The table did not wear the door out: both providers' deliveries are stored, byte for byte."""
    for kind in KINDS.values():
        status, answer = door.send(kind.raw())
        assert (status, json.loads(answer.partition(b"\r\n\r\n")[2])) == (200, {"status": "new"})
    assert sorted(row.body for row in door.rows()) == sorted(kind.body for kind in KINDS.values())


def test_a_length_that_is_no_number_is_no_error_of_ours(tmp_path):
    """A mounted receiver is given whatever its server lets through: a superscript digit is a digit, and no number."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", SystemClock())
    app = ReceiverApp(Receiver(ledger, sources().get, SystemClock()))
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    async def send(message):
        sent.append(message)

    headers = [(b"content-length", b"\xb2"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/webhooks/shop", "headers": headers}
    asyncio.run(app(scope, receive, send))
    app.close()
    ledger.close()
    assert sent[0]["status"] == 401
