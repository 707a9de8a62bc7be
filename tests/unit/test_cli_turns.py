"""What several runs of one call leave on a terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from reconcile import runner
from reconcile.cli import reports, wiring
from reconcile.cli.output import Output
from reconcile.cli.state import State
from reconcile.context import Context, Options
from reconcile.logs import Redactor
from reconcile.report import HandlerReport, RunReport, StreamReport

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def state(err):
    return State(Output(io.StringIO(), err, Redactor([])), {})


def test_bars_of_a_turn_are_not_drawn_again_after_it(monkeypatch):
    """The bars of one run end before its report; what is printed from then on is neither overdrawn nor repeated."""

    def run(context, jobs, options, command):
        context.progress.begin((jobs[0], "orders"), 60)
        context.progress.end((jobs[0], "orders"), None)
        return RunReport("R", NOW)

    monkeypatch.setattr(runner, "run", run)
    screen = Terminal()
    shown = wiring.watched(state(screen))
    context = Context(None, None, None, None, lambda _source: None, None)
    shown(context, ("first",), Options(), "cron")
    after = len(screen.getvalue())
    shown(context, ("second",), Options(), "cron")
    assert "first orders" in screen.getvalue()[:after]
    assert "second orders" in screen.getvalue()[after:]
    assert "first orders" not in screen.getvalue()[after:]


def test_handlers_with_nothing_to_do_are_not_shown():
    """A table of zeros tells nobody anything; one that is paused, or left with events, is told of with all others."""
    idle, held = HandlerReport("acme-shop"), HandlerReport("payments", held=3)
    calm, left = state(io.StringIO()), state(io.StringIO())
    reports.show(calm, RunReport("R", NOW, handlers=[idle]), as_json=False)
    reports.show(left, RunReport("R", NOW, handlers=[idle, held]), as_json=False)
    assert "handler of" not in calm.output.out.getvalue()
    assert "acme-shop" in left.output.out.getvalue()
    assert "payments" in left.output.out.getvalue()


def test_a_run_that_read_everything_is_not_said_to_have_read_too_little():
    """A subscription that the provider refuses ends in 4, too: whoever is told of coverage looks in the wrong place."""
    said = []
    for covered in (True, False):
        stream = StreamReport("acme-shop", "orders", NOW, NOW, covered=covered)
        shown = state(io.StringIO())
        reports.show(shown, RunReport("R", NOW, streams=[stream], exit_code=4, errors=["refused"]), as_json=False)
        said.append(shown.output.out.getvalue().splitlines()[-1])
    assert "coverage was not reached" not in said[0]
    assert said[1] == "coverage was not reached; run again once the provider answers (exit 4)"
