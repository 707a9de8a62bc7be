"""The dispatch job: which sources, how long, what it reports."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.clock import ManualClock
from support.rows import add_event
from support.targets import ScriptedTarget, a_source

from jobs.dispatch import run
from reconcile.clock import Stop
from reconcile.config import PythonHandler
from reconcile.context import Context, Options
from reconcile.errors import ConfigError
from reconcile.ledger import Ledger
from reconcile.report import RunReport
from reconcile.targets.model import Verdict

HANDLER = PythonHandler(ref="acme:handle")


class Told:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.calls = []
        self.waiting = {}

    def deliver(self, source, waiting):
        self.waiting = {**self.waiting, source: waiting}

    def handled(self, source, verdict):
        self.calls.append((source, verdict))


@pytest.fixture
def setup(sqlite_databases, tmp_path):
    """A context of two sources with a handler and one without, and the targets made for it."""
    clock, made = ManualClock(), {}

    def target(_context, source):
        if source.name == "broken":
            raise ConfigError("handler acme:handle cannot be loaded")
        made[source.name] = ScriptedTarget(clock, made.get("answer", lambda _job: Verdict.HANDLED))
        return made[source.name]

    names = ("broken", "shop", "payments")
    sources = {name: a_source(name=name, handler=HANDLER) for name in names} | {"watched": a_source(name="watched")}
    with sqlite_databases.fresh(tmp_path) as url:
        ledger = Ledger.open(url, clock)
        context = Context(
            config=SimpleNamespace(sources=sources, path=Path("schedules.yaml")),
            ledger=ledger,
            clock=clock,
            stop=Stop(),
            transports=lambda _source: None,
            targets=target,
            progress=Told(),
        )
        with ledger.write() as tx:
            for name in ("broken", "shop", "payments", "watched"):
                add_event(tx, source=name, subject_id=name)
        yield context, made
        ledger.close()


def job(context, **options):
    report = RunReport("run", context.clock.now())
    return run(context, Options(**options), report), report


def test_delivers_for_every_source_with_a_handler(setup):
    """Each source's events go to its own target, and the report says what became of them."""
    context, made = setup
    code, report = job(context, sources=("shop", "payments", "watched"))
    assert code == 0
    assert [(one.source, one.handled, one.pending) for one in report.handlers] == [("shop", 1, 0), ("payments", 1, 0)]
    assert sorted(context.progress.calls) == [("payments", "handled"), ("shop", "handled")]
    assert made["shop"].closed
    assert made["payments"].closed


def test_broken_handler_stops_no_other(setup):
    """A handler that cannot be loaded is an error of its source; the others are delivered."""
    context, made = setup
    code, report = job(context)
    assert (code, report.errors) == (2, ["broken: handler acme:handle cannot be loaded"])
    assert len(made["shop"].calls) == len(made["payments"].calls) == 1


def test_nothing_to_deliver_starts_nothing(setup):
    """A source with no event that comes due while it may wait gets no target: no process is started for it."""
    context, made = setup
    assert job(context, sources=("shop",))[0] == 0
    made.clear()
    code, report = job(context, sources=("broken", "shop"))
    assert (code, list(made), report.errors) == (2, [], ["broken: handler acme:handle cannot be loaded"])
    assert context.progress.waiting == {"broken": 1, "shop": 0}


def test_dry_run_calls_nobody(setup):
    """A dry run makes no target and calls nobody."""
    context, made = setup
    assert job(context, dry_run=True)[0] == 0
    assert made == {}


def test_waits_no_longer_than_asked_in_all(setup):
    """Retries of all sources together are waited for within `wait`, and what is left is pending."""
    context, made = setup
    made["answer"] = lambda _job: Verdict.FAILED
    start = context.clock.now()
    _, report = job(context, sources=("shop", "payments"), wait=timedelta(seconds=15))
    assert context.clock.now() - start <= timedelta(seconds=15)
    assert [(one.failed, one.pending, one.dead) for one in report.handlers] == [(1, 1, 0)] * 2
    assert len(made["shop"].calls) == 2


def test_stop_is_reported_with_what_was_done(setup):
    """L2: a stop ends the job early; what was done until then is in the report, and targets are closed."""
    context, made = setup
    made["answer"] = lambda _job: context.stop.set() or Verdict.HANDLED
    _, report = job(context, sources=("shop", "payments"))
    assert sum(one.handled for one in report.handlers) == 2
    assert made["shop"].stopped is not None
    assert made["shop"].closed


def test_runs_as_an_installed_job():
    """The runner finds it under the name `run` knows it by."""
    from importlib.metadata import entry_points

    (point,) = (point for point in entry_points(group="reconcile.jobs") if point.name == "dispatch")
    assert point.load() is run
