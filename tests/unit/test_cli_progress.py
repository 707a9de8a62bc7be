"""Progress on a terminal, in a pipe and in JSON logs."""

from __future__ import annotations

import io
import json
import logging
import threading

import pytest
from support.clock import ManualClock

from reconcile import logs
from reconcile.cli.bars import Bars
from reconcile.cli.output import Output
from reconcile.cli.progress import EVERY, Lines, Records, watching
from reconcile.cli.tallies import RECORDED
from reconcile.logs import Redactor

KEY = ("acme-shop", "orders")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def output(err):
    return Output(io.StringIO(), err, Redactor(["hush-hush"]))


def test_a_pipe_gets_a_line_every_few_seconds_only():
    """A thousand pages in no time are one line at the start and one at the end."""
    clock, err = ManualClock(), io.StringIO()
    lines = Lines(output(err), clock)
    lines.begin(KEY, 7200)
    for _ in range(1000):
        lines.page(KEY, 50, 1)
    assert len(err.getvalue().splitlines()) == 1
    clock.wait(EVERY)
    lines.window(KEY, 1800)
    assert err.getvalue().splitlines()[-1] == "acme-shop orders: 25 % of its time, 50000 listed, 1000 missing, 10000/s"
    lines.end(KEY, None)
    assert err.getvalue().splitlines()[-1] == "acme-shop orders: 50000 listed, 1000 missing"


def test_a_pipe_is_told_why_a_stream_stopped():
    """The provider's text is shown with its controls visible (X4)."""
    err = io.StringIO()
    lines = Lines(output(err), ManualClock())
    lines.begin(KEY, 10)
    lines.end(KEY, "refused \x1b[2J hush-hush")
    assert err.getvalue().splitlines()[-1] == "acme-shop orders: 0 listed, 0 missing; stopped: refused \\x1b[2J ***"


def test_a_pipe_is_told_how_far_a_handler_is():
    """Of how many events, how each attempt went, and how fast it goes."""
    clock, err = ManualClock(), io.StringIO()
    lines = Lines(output(err), clock)
    lines.deliver("acme-shop", 8)
    lines.deliver("payments", 0)
    for _ in range(5):
        lines.handled("acme-shop", "handled")
    clock.wait(2 * EVERY)
    lines.handled("acme-shop", "failed")
    assert err.getvalue().splitlines() == [
        "acme-shop handler: 8 to deliver",
        "acme-shop handler: 5/8 handled, 1 failed, 1/s",
    ]


def test_a_pipe_is_told_how_far_the_asking_is():
    """Thousands of transactions at a provider's pace take minutes."""
    clock, err = ManualClock(), io.StringIO()
    lines = Lines(output(err), clock)
    lines.ask("payments", 200)
    lines.ask("acme-shop", 0)
    clock.wait(2 * EVERY)
    lines.asked("payments", 100)
    assert err.getvalue().splitlines() == [
        "payments transactions: 200 to ask about",
        "payments transactions: 100/200 asked about, 10/s",
    ]


def test_a_baseline_calls_nothing_missed():
    """What it counts beside the listed items is what it recorded."""
    err = io.StringIO()
    with watching(output(err), ManualClock(), "plain", RECORDED) as lines:
        lines.begin(KEY, 10)
        lines.page(KEY, 3, 4)
        lines.end(KEY, None)
    assert err.getvalue().splitlines()[-1] == "acme-shop orders: 3 listed, 4 recorded"


def test_a_terminal_gets_bars(monkeypatch):
    """Each stream has its bar with counts, each handler with events one of its own; errors stand above them."""
    monkeypatch.setenv("COLUMNS", "120")
    err, clock = Terminal(), ManualClock()
    with watching(output(err), clock, "plain") as bars:
        assert isinstance(bars, Bars)
        bars.begin(KEY, 100)
        bars.page(KEY, 30, 2)
        bars.window(KEY, 100)
        bars.deliver("acme-shop", 2)
        bars.deliver("payments", 0)
        clock.wait(1.0)
        bars.handled("acme-shop", "handled")
        bars.ask("payments", 7)
        bars.ask("acme-shop", 0)
        clock.wait(1.0)
        bars.asked("payments", 3)
        bars.end(KEY, "it broke: a [bold]customer[/bold] \x1b[2J hush-hush")
        bars.page(("gone", "gone"), 1, 1)
    shown = err.getvalue()
    assert "30 listed, 2 missing" in shown
    assert "acme-shop handler" in shown
    assert "1/2 handled, 1/s" in shown
    assert "payments handler" not in shown
    assert "3/7 asked about, 3/s" in shown
    assert "acme-shop transactions" not in shown
    assert "acme-shop orders: it broke: a [bold]customer[/bold] \\x1b[2J ***" in shown


def test_a_handler_without_an_end_has_no_rate(monkeypatch):
    """Where deliveries come as they come, nobody knows of how many."""
    monkeypatch.setenv("COLUMNS", "120")
    err = Terminal()
    with watching(output(err), ManualClock(), "plain") as bars:
        bars.handled("acme-shop", "handled")
    assert "1 handled" in err.getvalue()
    assert "/s" not in err.getvalue()


def test_bars_may_be_moved_from_many_threads(monkeypatch):
    """No page is lost between threads."""
    monkeypatch.setenv("COLUMNS", "120")
    err = Terminal()
    with watching(output(err), ManualClock(), "plain") as bars:
        bars.begin(KEY, 100)
        threads = [threading.Thread(target=lambda: [bars.page(KEY, 1, 0) for _ in range(200)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bars.end(KEY, None)
    assert "800 listed" in err.getvalue()


@pytest.fixture
def root_logger():
    """The root logger, as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_logs_get_records(root_logger):
    """With `--log-format json` stderr stays one object a line."""
    del root_logger
    err = io.StringIO()
    logs.setup("json", Redactor(), err)
    with watching(output(err), ManualClock(), "json") as records:
        assert isinstance(records, Records)
        records.begin(KEY, 5)
        records.deliver("acme-shop", 1)
        records.ask("acme-shop", 2)
        records.asked("acme-shop", 2)
        records.end(KEY, "it broke")
    found = [json.loads(line) for line in err.getvalue().splitlines()]
    assert [one["event"] for one in found] == ["source.deliver", "source.ask", "transactions.asked"]
    assert {one["source"] for one in found} == {"acme-shop"}
