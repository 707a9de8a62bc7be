"""What an idle daemon costs: the CPU time of `reconcile daemon --serve` with nothing to do, as a part of the time.

One shop and one payment account on loopback, each with a Python handler, and the schedules of the starter file.
Counted from when it has settled, with all its processes. Goal: under 1 %.

    python benchmarks/idle.py [SECONDS]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine

from reconcile.clock import SystemClock
from reconcile.sandbox import FakeShopify, FakeStripe, serve

EXECUTABLE = Path(sys.executable).with_name("reconcile")
SETTLE = 20.0
CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: {shop}
    webhook: {{url: "https://hooks.acme.example/webhooks/shop", secret: whsec_dummy, topics: [orders/create]}}
    handler: acme:handlers
  payments:
    connector: stripe
    api_key: sk_test_dummy
    base_url: {stripe}
    webhook: {{url: "https://hooks.acme.example/webhooks/payments", secret: whsec_dummy, topics: [charge.refunded]}}
    handler: acme:handlers
schedules:
  - {{job: subscriptions, every: 10m}}
  - {{job: backfill, cron: "*/15 * * * *"}}
  - {{job: dispatch, every: 10s}}
  - {{job: status-checks, every: 1m}}
  - {{job: alerts, every: 5m}}
"""
HANDLER = """\
from reconcile import Handlers

handlers = Handlers()

@handlers.on("*")
def take(event):
    pass
"""


def cpu(pid: int) -> float:
    """Seconds of CPU that a process and its children have used."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # with its children that have ended
    return own + sum(cpu(int(child)) for child in children)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    clock = SystemClock()
    with (
        tempfile.TemporaryDirectory() as name,
        serve(FakeShopify(clock=clock)) as shop,
        serve(FakeStripe(clock=clock)) as stripe,
    ):
        folder = Path(name)
        (folder / "schedules.yaml").touch(mode=0o600)
        (folder / "schedules.yaml").write_text(CONFIG.format(shop=shop.url, stripe=stripe.url))
        (folder / "acme.py").write_text(HANDLER)
        log = (folder / "log").open("wb")
        daemon = subprocess.Popen([EXECUTABLE, "daemon", "--serve", "--port", "0"], cwd=folder, stdout=log, stderr=log)
        try:
            time.sleep(SETTLE)
            assert daemon.poll() is None, (folder / "log").read_text()
            before, began = cpu(daemon.pid), time.monotonic()
            time.sleep(seconds)
            used, passed = cpu(daemon.pid) - before, time.monotonic() - began
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=20)
            log.close()
    print(machine())
    print(f"idle daemon: {used:.2f} s of CPU in {passed:.0f} s, {used / passed:.2%} of one core (goal: under 1 %)")


if __name__ == "__main__":
    main()
