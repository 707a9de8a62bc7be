"""What a run writes with `--log-format json`: records an operator can search by run, source, stream and attempt."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta

import pytest
from support.running import CANARY, add_shop

from connectors.shopify import listing
from reconcile import logs, records
from reconcile.logs import Redactor
from reconcile.sandbox import wire_faults as wires

LIST = r"/orders\.json"


@pytest.fixture
def said(request):
    """What is logged on stderr, in the format of the parameter; the loggers as before afterwards."""
    root, ours = logging.getLogger(), logging.getLogger(records.__name__)
    before = root.handlers[:], root.level, ours.level
    err = io.StringIO()
    logs.setup(request.param, Redactor(), err)
    yield err
    root.handlers[:], level, quiet = before
    root.setLevel(level)
    ours.setLevel(quiet)


@pytest.fixture
def bench(empty, monkeypatch):
    """Two shops with five orders each, on pages of three."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)
    for name in ("broken", "healthy"):
        shop = add_shop(empty, name)
        for _ in range(5):
            shop.create_order()
    empty.clock.advance(3600)
    return empty


def of(said, event, **wanted):
    """The records of an event, of those with these fields."""
    found = [json.loads(line) for line in said.getvalue().splitlines()]
    return [one for one in found if one["event"] == event and wanted.items() <= one.items()]


@pytest.mark.parametrize("said", ["json"], indirect=True)
def test_every_record_says_of_which_run_source_account_and_stream_it_is(bench, said):
    """From a page to the whole run, with counts that agree, times, attempts and what went wrong by its class."""
    bench.faults["broken"].add(wires.answers(503), path=LIST, nth=2, times=0)
    report = bench.run("backfill", "dispatch")
    records.finished(report)
    who = {"run_id": report.run, "provider": "shopify", "source": "healthy", "account": "healthy.myshopify.com"}
    stream = {**who, "stream": "orders"}
    assert sum(page["listed"] for page in of(said, "stream.page", **stream)) == 5
    (window,) = of(said, "stream.window", **stream, listed=5, pages=2)
    start, end = window["window"].split("/")
    assert start < end
    assert end.endswith("Z")
    (end,) = of(said, "stream.end", **stream, level="info", listed=5, missing=5, pages=2)
    assert "error" not in end
    assert min(end["duration_ms"], window["duration_ms"]) >= 0
    (failed,) = of(said, "stream.end", source="broken", level="error", error_class="Retriable", run_id=report.run)
    assert "503" in failed["error"]
    retried = of(said, "request.retried", source="broken", error_class="Retriable")
    assert [one["attempt"] for one in retried] == [1, 2, 3, 4]
    handled = of(said, "event.handled", run_id=report.run, source="healthy", verdict="handled", attempt=1)
    assert {one["topic"] for one in handled} == {"orders/create"}
    assert all(one["duration_ms"] >= 0 and one["id"] and one["level"] == "info" for one in handled)
    (finished,) = of(said, "run.finished", run_id=report.run, exit_code=4)
    assert finished["duration_ms"] == round((report.finished_at - report.started_at) / timedelta(milliseconds=1))
    assert all(one["listed"] == one["backfilled"] for one in finished["streams"])
    assert CANARY not in said.getvalue()


@pytest.mark.parametrize("said", ["plain"], indirect=True)
def test_plain_logs_say_none_of_it(bench, said):
    """People have the progress and the report, and are not told twice that a stream broke off."""
    bench.faults["broken"].add(wires.answers(503), path=LIST, nth=2, times=0)
    records.finished(bench.run("backfill", "dispatch"))
    assert said.getvalue() == ""
