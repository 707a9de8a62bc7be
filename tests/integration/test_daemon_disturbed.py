"""Signals, clocks and databases that come at the worst moment must not end, hang or silence a daemon."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from support.running import NOON, Bench, add_shop

from reconcile import clock
from reconcile.cli.signals import stopping
from reconcile.clock import Stop
from reconcile.daemon import Daemon
from reconcile.errors import LedgerError
from reconcile.receiver import Receiver
from reconcile.sandbox.clock import SettableClock
from reconcile.scheduling import Beat
from reconcile.web import server
from reconcile.web.front import Front

SCHEDULES = """\
schedules:
  - {job: dispatch, every: 10m}
"""


@pytest.fixture
def bench(tmp_path):
    """A shop and a schedule."""
    made = Bench(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", SettableClock(NOON))
    add_shop(made, "acme", more="")
    made.text += SCHEDULES
    yield made
    made.ledger.close()


@contextmanager
def at_most(seconds: float):
    """Interrupt a block that hangs in the main thread."""

    def late(_number, _frame):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_signal_in_the_midst_of_waiting_for_it_does_not_hang(monkeypatch):
    """L2: its handler runs in the main thread, and may find it with the lock in hand that the handler needs."""
    stop = Stop()
    looks = []

    def interrupted() -> float:
        looks.append(time.monotonic())
        if len(looks) == 2:  # the first look is taken before the lock
            signal.raise_signal(signal.SIGTERM)
        return looks[-1]

    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=interrupted))
    with at_most(5), stopping(stop):
        assert stop.wait(0.01)
    assert stop.exit_code == 143


def test_a_clock_that_is_put_back_is_looked_for_while_it_runs(bench, monkeypatch):
    """C15: the timetable cannot find out by itself: it waits for the time that the clock was put back from."""
    daemon, looks = Daemon(bench.context(), bench.config), []
    monkeypatch.setattr(daemon._watch, "start", lambda: None)
    monkeypatch.setattr(daemon._watch._timetable, "nudge", lambda: looks.append(True))
    monkeypatch.setattr(daemon._context.stop, "wait", lambda _seconds: bool(looks))
    assert daemon.run()
    assert looks == [True]


def test_a_timetable_that_breaks_ends_the_daemon_with_an_error(bench, monkeypatch, caplog):
    """L2: a daemon that lives and looks at nothing any more is the one failure that no supervisor would mend."""
    daemon, stopped = Daemon(bench.context(), bench.config), []
    monkeypatch.setattr(daemon._watch, "stop", stopped.append)
    monkeypatch.setattr(Beat, "get_next_fire_time", lambda _self, previous, now: now if previous is None else 1 // 0)
    with at_most(20):
        assert daemon.run()
    assert (bench.stop.is_set(), bench.stop.exit_code, stopped) == (True, 1, [143])
    assert "the timetable has ended (ZeroDivisionError: " in caplog.text
    assert "start it again" in caplog.text


def test_a_new_configuration_with_another_ledger_is_refused(bench, monkeypatch, caplog):
    """SIGHUP: half of a daemon on one ledger and half on another would promise what neither can keep."""
    daemon, config = Daemon(bench.context(), bench.config), bench.config()
    other = config.model_copy(update={"ledger": SecretStr("sqlite:////nowhere/other.db")})
    monkeypatch.setattr(daemon, "_read", lambda: other)
    daemon._change()
    assert daemon.config.ledger == config.ledger
    assert "ledger: another one needs a restart of the daemon" in caplog.text


def test_a_new_configuration_that_meets_a_locked_ledger_leaves_the_old_one_in_force(bench, monkeypatch, caplog):
    """SIGHUP while the database is away for a moment: the daemon says so and goes on, dispatchers and all."""
    daemon = Daemon(bench.context(), bench.config)
    before = daemon.source("acme")

    @contextmanager
    def away():
        raise LedgerError("ledger: the connection to the server was lost, nothing lost, safe to re-run")
        yield

    def ask_and_stop(_seconds: float) -> bool:
        stopping_now = asked.pop() if asked else True
        daemon.read_again()
        return stopping_now

    asked = [True, False]
    monkeypatch.setattr(daemon._watch, "start", lambda: monkeypatch.setattr(bench.ledger, "write", away))
    monkeypatch.setattr(daemon._context.stop, "wait", ask_and_stop)
    assert daemon.run()
    assert daemon.source("acme") is before
    assert "the one in force goes on" in caplog.text


def test_the_door_begins_to_close_before_running_handlers_get_their_grace(bench, monkeypatch):
    """L2: five seconds for a slow sender after eight for a hung handler would be more than the ten promised."""
    daemon, happened = Daemon(bench.context(), bench.config), []
    health = server.health(bench.ledger, bench.config, server.counts(bench.config))
    receiver = Receiver(bench.ledger, daemon.source, bench.clock, daemon.stored)
    with Front(receiver, health, ("127.0.0.1", 0)) as front:
        daemon.at_end = front.end

        def grace() -> None:
            until = time.monotonic() + 10
            while front.listening and time.monotonic() < until:
                threading.Event().wait(0.02)
            happened.append(front.listening)

        monkeypatch.setattr(daemon._watch, "relieve", grace)
        monkeypatch.setattr(daemon._watch, "start", bench.stop.set)
        assert daemon.run()
    assert happened == [False]
