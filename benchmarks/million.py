"""A whole `run` over 1,000,000 listed orders against 1,000,000 recorded events, 0.1 % of them missing; and its memory.

Each size runs in a process of its own, so that its peak is its own. Run: python benchmarks/million.py [ITEMS]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import measure
from ledgers import full
from provider import START, at, provider

from reconcile import runner
from reconcile.clock import Stop, SystemClock
from reconcile.config import load
from reconcile.context import Context, Options
from reconcile.targets import factory

CONFIG = """
ledger: sqlite:///ledger-{items}.db
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: {base}
    http: {{rate: 100000/s}}
    valve: 1000000
    webhook: {{url: "https://hooks.acme.example/shop", secret: dummy-secret, topics: [orders/create]}}
    streams: [orders]
    handler: handlers:save
"""


def child(items: int, folder: Path) -> None:
    """One run, and what it took, as a line of JSON."""
    config = load(folder / "schedules.yaml", os.environ)
    ledger = full(folder, items)
    context = Context(config, ledger, SystemClock(), Stop(), lambda _source: None, factory.make)
    started = measure.wall()
    report = runner.run(context, (), Options(since=START, until=at(items)), "benchmark")
    seconds = measure.wall() - started
    (stream,), (handler,) = report.streams, report.handlers
    found = {
        "seconds": seconds,
        "listed": stream.listed,
        "covered": stream.covered,
        "missing": stream.events,
        "handled": handler.handled,
        "exit_code": report.exit_code,
        "errors": report.errors,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))


def run(items: int) -> dict[str, Any]:
    """One size, in a process of its own; the provider in another."""
    with tempfile.TemporaryDirectory() as folder, provider(items) as base:
        (Path(folder) / "schedules.yaml").write_text(CONFIG.format(items=items, base=base))
        (Path(folder) / "handlers.py").write_text("def save(event):\n    pass\n")
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(items), folder], check=True, capture_output=True, text=True
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"  {items:>9} items: {found['seconds']:6.1f} s, {found['listed'] / found['seconds']:8.0f} items/s, "
        f"{found['missing']:.0f} missing, {found['handled']:.0f} handled, peak {found['megabytes']:.0f} MB"
    )
    assert found["covered"]
    assert found["exit_code"] == 0, found["errors"]
    return found


def main() -> None:
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"`run` over {items} listed items against as many recorded events ({measure.machine()})")
    small, large = run(items // 10), run(items)
    measure.verdict("peak memory, ten times the items ÷ a tenth", large["megabytes"] / small["megabytes"], 1.2)
    measure.verdict("peak memory ÷ 200 MB", large["megabytes"] / 200, 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
