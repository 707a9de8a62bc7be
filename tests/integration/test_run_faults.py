"""What a run says and keeps when a provider misbehaves: the fault matrix row by row, two sources in each run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from support.running import CANARY, Bench, add_stripe, stream_of
from support.shops import ORDERS, PAGE, add_shops, created, each_once

from reconcile import runner
from reconcile.context import Options
from reconcile.sandbox import page_faults as pages
from reconcile.sandbox import wire_faults as wires
from reconcile.sandbox.faults import Fault

LIST = r"/orders\.json"
SCOPES = r"/access_scopes\.json"
#: Nothing is asked about transactions: their questions go to the same path as the list.
QUIET = "handler: app:take\n    transactions: []"
EVIL = "https://evil.example/admin/api/2026-10/orders.json?page_info=x"
TRICK = "https://broken.myshopify.com@evil.example/orders.json?page_info=x"
DOWNGRADE = "http://broken.myshopify.com/admin/api/2026-10/orders.json?page_info=x"


pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def bench(empty):
    """Two shops of 18 orders each within a day; `broken` is the one whose provider will misbehave."""
    return add_shops(empty, "broken", "healthy", more=QUIET)


@dataclass(frozen=True)
class Row:
    """A fault that does not pass, from the `nth` request for `path` on, and what the run must say."""

    fault: Callable[[Bench], Fault]
    says: str
    tries: int = 1  # of the request that failed
    nth: int = 2
    path: str = LIST
    kept: int = PAGE  # events of the pages before


def always(fault: Fault) -> Callable[[Bench], Fault]:
    """A fault that needs nothing of the bench."""
    return lambda _bench: fault


def order(**fields: object) -> str:
    """One listed order as text, with some field of foreign making."""
    more = "".join(f', "{name}": {value}' for name, value in fields.items())
    stamp = '"2024-06-01T13:00:00Z"'
    return f'{{"id": 77, "created_at": {stamp}, "updated_at": {stamp}{more}}}'


JSON = {"Content-Type": "application/json"}
BROKEN = {
    "401 on the list": Row(always(wires.answers(401, b'{"errors":"Invalid API key"}')), "401.*renew them"),
    "401 at first contact": Row(always(wires.answers(401)), "401.*renew them", nth=1, path=SCOPES, kept=0),
    "403 on the list": Row(always(wires.answers(403, b'{"errors":"merchant approval"}')), "403.*permission"),
    "403 that repeats our token": Row(always(wires.answers(403, f'{{"errors":"no {CANARY}"}}')), r"403.*\*\*\*"),
    "404 on the list": Row(always(wires.answers(404)), "404.*base_url"),
    "410 on the list": Row(always(wires.answers(410)), "410"),
    "400 on the list": Row(always(wires.answers(400, b'{"errors":"bad"}')), "400"),
    "429 without end": Row(always(wires.rate_limited("2.0")), "429.*rate limit", tries=5),
    "429 for hours": Row(always(wires.rate_limited("86400")), "429.*rate limit", tries=5),
    "500": Row(always(wires.answers(500)), "500.*trouble", tries=5),
    "502 with a page for people": Row(always(wires.html(502)), "502.*trouble", tries=5),
    "503 that says when": Row(always(wires.rate_limited("3", 503)), "503.*trouble", tries=5),
    "504": Row(always(wires.answers(504)), "504.*trouble", tries=5),
    "no answer": Row(always(wires.silent()), "did not answer in time", tries=5),
    "connection reset": Row(always(wires.reset()), "lost the connection", tries=5),
    "name not found": Row(always(wires.unreachable()), "cannot connect", tries=5),
    "hung up without an answer": Row(always(wires.disconnected()), "broke off", tries=5),
    "reset mid-body": Row(always(wires.truncated()), "broke off", tries=5),
    "JSON cut short": Row(always(wires.truncated_silently()), "not JSON", tries=5),
    "slow drip": Row(lambda bench: wires.drip(bench.clock, 100), "did not finish its answer in time", tries=5),
    "HTML with 200": Row(always(wires.html()), "not the expected list.*Please sign in"),
    "wrong schema": Row(always(pages.wrong_shape()), "not the expected list"),
    "missing key": Row(always(pages.missing_key()), "not the expected list.*orders"),
    "items without updated_at": Row(always(pages.edited(lambda body: body["orders"][0].pop("updated_at"))), ""),
    "huge page": Row(always(wires.huge(20_000_001)), "larger than 20000000 bytes.*max_body"),
    "gzip bomb": Row(always(wires.huge(20_000_001, compressed=True)), "larger than 20000000 bytes"),
    "nested too deeply": Row(always(wires.nested(100_000)), "not the expected list"),
    "nested deeply within the list": Row(
        always(wires.answers(200, b'{"orders":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", JSON)), ""
    ),
    "NaN": Row(always(wires.answers(200, f'{{"orders":[{order(total="NaN")}]}}', JSON)), "not JSON", tries=5),
    "an id of 5000 digits": Row(
        always(wires.answers(200, f'{{"orders":[{order().replace("77", "7" * 5000)}]}}', JSON)), "cannot be read"
    ),
    "a page twice": Row(lambda _: pages.repeated_page(), "pagination_loop", nth=1),
    "cursor loop A A": Row(lambda _: pages.looped(1), "pagination_loop", nth=1),
    "cursor loop A B A": Row(lambda _: pages.looped(2), "pagination_loop", nth=1, kept=2 * PAGE),
    "next link on a foreign host": Row(always(pages.next_link(EVIL)), "would leave configured origin", tries=1, nth=1),
    "next link with a user": Row(always(pages.next_link(TRICK)), "leave configured origin", nth=1),
    "next link without TLS": Row(always(pages.next_link(DOWNGRADE)), "leave configured origin", nth=1),
    "redirect to a foreign host": Row(always(wires.redirect(EVIL)), "redirects to evil.example"),
    "redirect without TLS": Row(always(wires.redirect(DOWNGRADE)), "redirects to broken.myshopify.com"),
}


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN)
def test_a_lasting_fault_is_said_and_costs_nothing_that_was_read(bench, row):
    """Exit 4, not covered, a useful word; pages before are kept, the other source is done; then all is made good."""
    faults = bench.faults["broken"]
    rule = faults.add(row.fault(bench), path=row.path, nth=row.nth, times=0)
    report = bench.run()
    assert report.exit_code == 4
    told = stream_of(report, "broken")
    assert not told.covered
    assert re.search(row.says, told.error), told.error
    assert told.events == row.kept
    assert (told.listed > 0) == (row.kept > 0)
    assert len(bench.recorded("broken")) == len(bench.handled("broken")) == row.kept
    assert set(bench.handled("broken")) <= created(bench, "broken")
    assert stream_of(report, "healthy").covered
    assert each_once(bench, "healthy")
    assert bench.hosts == {"broken.myshopify.com", "healthy.myshopify.com"}
    if rule.nth == 2:
        assert rule.happened == row.tries
    recovers(bench)


def recovers(bench: Bench) -> None:
    """The trouble is over: the next run makes everything good, the one after that has nothing to do."""
    for faults in bench.faults.values():
        faults.clear()
    report = bench.run()
    assert report.exit_code == 0, (report.errors, report.streams)
    assert stream_of(report, "broken").covered
    assert each_once(bench, "broken")
    assert each_once(bench, "healthy")
    effects = list(bench.effects)
    assert bench.run().exit_code == 0
    assert bench.effects == effects


PASSING = {
    "500": lambda _: wires.answers(500),
    "408": lambda _: wires.answers(408),
    "no answer": lambda _: wires.silent(),
    "connection reset": lambda _: wires.reset(),
    "no connection": lambda _: wires.unreachable(),
    "hung up": lambda _: wires.disconnected(),
    "reset mid-body": lambda _: wires.truncated(),
    "JSON cut short": lambda _: wires.truncated_silently(),
    "slow drip": lambda bench: wires.drip(bench.clock, 100),
    "answer lost": lambda _: wires.answer_lost(),
}


@pytest.mark.parametrize("threads", [0, 3])
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_passing_fault_costs_a_retry_and_nothing_else(bench, fault, threads):
    """The page is asked for again, nothing is recorded twice, and the run is as good as any other."""
    bench.threads = threads
    rule = bench.faults["broken"].add(fault(bench), path=LIST, nth=3)
    report = bench.run()
    assert (report.exit_code, rule.happened) == (0, 1)
    assert stream_of(report, "broken").covered
    assert stream_of(report, "broken").listed == ORDERS
    assert each_once(bench, "broken")


DATE = "Sat, 01 Jun 2024 21:00:{:02} GMT"  # the bench's own time, and a little
WAITS = {
    "seconds": ("7", 7),
    "decimals": ("2.5", 2.5),
    "a date": (DATE.format(10), 9),
    "a date long gone": ("Mon, 01 Jan 2001 00:00:00 GMT", 0),
    "missing": (None, 1),
    "nonsense": ("soon", 1),
    "not a number": ("nan", 1),
    "absurd": ("31536000", 60),
    "infinite": ("inf", 60),
    "negative": ("-5", 0),
}


@pytest.mark.parametrize(("said", "least"), WAITS.values(), ids=WAITS)
def test_every_form_of_retry_after_is_waited_for_within_bounds(bench, said, least):
    """429: what is asked is waited for, never more than a minute of it, by the whole source; then it goes on."""
    limited = bench.faults["broken"].add(wires.rate_limited(said), path=LIST, nth=2)
    began = bench.clock.monotonic()
    report = bench.run("backfill")
    waited = bench.clock.monotonic() - began
    assert (report.exit_code, limited.happened) == (3, 1)  # found, and not yet delivered
    assert least <= waited < least + 10
    assert stream_of(report, "broken").covered
    assert len(bench.recorded("broken")) == ORDERS


def test_a_bug_in_one_source_leaves_the_report_of_the_others(bench, monkeypatch):
    """C2: a connector that breaks its contract is exit 1, and what the others did is told all the same."""
    add_stripe(bench, "charge.succeeded")

    def broken(*_: object) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr("connectors.stripe.Stripe.greet", broken)
    report = runner.run(bench.context(), ("backfill",), Options(since=bench.clock.now() - timedelta(days=1)), "test")
    assert report.exit_code == 1
    assert isinstance(report.bug, KeyError)
    assert stream_of(report, "healthy").covered
    assert stream_of(report, "healthy").backfilled == ORDERS
    assert not stream_of(report, "pay").covered
