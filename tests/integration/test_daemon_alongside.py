"""In a daemon, whoever works long keeps nobody else waiting."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from support.receiving import by_shopify, order
from support.running import Bench, add_shop

from reconcile.clock import SystemClock
from reconcile.daemon import Daemon
from reconcile.receiver import Receiver

SCHEDULES = """\
schedules:
  - {job: backfill, every: 1s}
"""
LONG = 20.0  # seconds until a test gives up


@pytest.fixture
def bench(ledger_url, tmp_path):
    """A shop by the real clock, on every engine."""
    made = Bench(tmp_path, ledger_url, SystemClock())
    add_shop(made, "acme")
    made.text += SCHEDULES
    yield made
    made.ledger.close()


@contextmanager
def running(daemon: Daemon):
    """A daemon at work in a thread."""
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield
    finally:
        daemon._context.stop.set(143)
        thread.join(LONG)
        assert not thread.is_alive()


def test_a_long_backfill_delays_no_live_event(bench, monkeypatch):
    """While a run waits for its provider, lease in hand, what is delivered live is stored and handled at once."""
    asked, answer, handled = threading.Event(), threading.Event(), threading.Event()
    plain = bench.faults["acme"].handle

    def slow(request):
        asked.set()
        assert answer.wait(LONG)
        return plain(request)

    def seen(event) -> bool:
        handled.set()
        return False

    monkeypatch.setattr(bench.faults["acme"], "handle", slow)
    bench.refuses = seen
    daemon = Daemon(bench.context(), bench.config)
    receiver = Receiver(bench.ledger, daemon.source, bench.clock, daemon.stored)
    body = order(77)
    with running(daemon):
        try:
            assert asked.wait(LONG)
            headers = by_shopify(body, "w-1", secret="whsec_dummy_hush")
            assert receiver.receive("acme", headers, body).status == 200
            assert handled.wait(LONG)
        finally:
            answer.set()
    assert [(topic, id_) for _, topic, id_ in bench.effects] == [("orders/create", "77")]
