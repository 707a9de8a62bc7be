"""Deliveries stored durably per second over real HTTP, beside the same receiver with one commit for each.

Three processes: the receiver, a provider that delivers as fast as it is answered, and this one. Both sides verify, read
and store the same way, on SQLite with `synchronous=FULL`; only how many deliveries share a commit differs. What a plain
commit of one row costs on this disk is shown beside. `--postgresql URL` takes an empty database instead.
Run: python benchmarks/receiver.py [DELIVERIES] [--postgresql URL]
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure
from sqlalchemy import text

from connectors.shopify import Shopify, ShopifySettings
from reconcile.clock import SystemClock
from reconcile.config import HttpHandler, SourceConfig, WebhookConfig
from reconcile.ledger import Ledger
from reconcile.receiver import Receiver
from reconcile.receiving.committer import MOST, Committer
from reconcile.web.asgi import ReceiverApp
from reconcile.web.listener import Listener

HERE = Path(__file__).parent
ROUNDS = 3
CLIENTS = (1, 64)
MODES = {"one commit each": 1, "shared commits": MOST}


def receive(url: str, most: int) -> None:
    """The receiver, until its standard input ends; prints its port, then its CPU seconds."""
    from deliveries import SECRET  # noqa: PLC0415 - beside this script, wherever it was started

    settings = ShopifySettings(shop="acme.myshopify.com", access_token="shpat_dummy")  # noqa: S106 - a dummy
    source = SourceConfig(
        name="shop",
        connector="shopify",
        settings=settings,
        webhook=WebhookConfig(secrets=(SECRET,), topics=("orders/create",)),
        handler=HttpHandler(url="http://127.0.0.1:1/none"),
    )
    found, clock = (source, Shopify(settings)), SystemClock()
    ledger = Ledger.open(url, clock)
    receiver = Receiver(ledger, lambda _name: found, clock)
    app = ReceiverApp(receiver, Committer(receiver.store, clock.monotonic, most=most))
    with Listener(app, "127.0.0.1", 0) as listener:
        print(listener.address.rpartition(":")[2], flush=True)
        began = measure.cpu_seconds()
        sys.stdin.read()
    app.close()
    print(measure.cpu_seconds() - began, flush=True)
    ledger.close()


@contextmanager
def receiving(url: str, most: int) -> Iterator[tuple[int, list[float]]]:
    """The port of a receiver in a process of its own; its CPU seconds once it has ended."""
    command = [sys.executable, __file__, "--receive", url, str(most)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    cpu: list[float] = []
    yield int(process.stdout.readline()), cpu
    process.stdin.close()
    cpu.append(float(process.stdout.readline()))
    process.wait()


def delivered(port: int, clients: int, deliveries: int, first: int) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "deliveries.py"), *map(str, (port, clients, deliveries, first))]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def once(url: str, most: int, clients: int, deliveries: int) -> dict[str, Any]:
    """One measurement; every delivery is looked for in the ledger afterwards."""
    before = stored(url)
    with receiving(url, most) as (port, cpu):
        delivered(port, clients, max(10, deliveries // 10), before)
        warm = stored(url)
        found = delivered(port, clients, deliveries, warm)
    assert stored(url) == warm + deliveries, "what was answered 2xx must be there"
    return found | {"cpu": cpu[0] / (stored(url) - before) * 1e6}


def stored(url: str) -> int:
    ledger = Ledger.open(url, SystemClock())
    with ledger.read() as tx:
        number = int(tx.connection.execute(text("select count(*) from reconcile_event")).scalar_one())
    ledger.close()
    return number


def plain_commit(folder: Path) -> float:
    """Microseconds of the driver's own commit of one row of 2 KB."""
    database = sqlite3.connect(folder / "plain.db", isolation_level=None)
    database.executescript("pragma journal_mode=wal; pragma synchronous=full; create table t (id integer, body blob)")
    started = time.perf_counter()
    for number in range(500):
        database.execute("insert into t values (?, ?)", (number, b"x" * 2000))
    database.close()
    return (time.perf_counter() - started) / 500 * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("deliveries", nargs="?", type=int, default=6000)
    parser.add_argument("--postgresql", metavar="URL")
    parser.add_argument("--receive", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.receive:
        receive(asked.receive[0], int(asked.receive[1]))
        return
    print(f"{asked.deliveries} signed deliveries of 2 KB, best of {ROUNDS} ({measure.machine()})")
    with tempfile.TemporaryDirectory(dir=".") as name:
        compare(asked.postgresql or f"sqlite:///{Path(name).absolute()}/ledger.db", asked.deliveries)
        print(f"  the driver's own commit of one row: {plain_commit(Path(name)):.0f} µs")


def compare(url: str, deliveries: int) -> None:
    rates: dict[tuple[str, int], float] = {}
    for clients in CLIENTS:
        number = deliveries if clients > 1 else deliveries // 6
        found: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
        for _ in range(ROUNDS):
            for mode, most in MODES.items():
                found[mode].append(once(url, most, clients, number))
        for mode, runs in found.items():
            best = max(runs, key=lambda run: run["rate"])
            rates[mode, clients] = best["rate"]
            print(
                f"  {clients:3} clients, {mode:16} {best['rate']:7.0f}/s   p50 {best['p50']:6.1f} ms"
                f"   p99 {best['p99']:6.1f} ms   CPU {best['cpu']:5.0f} µs each"
            )
    for clients, goal in ((1, 0.9), (64, 5.0)):
        ratio = rates["shared commits", clients] / rates["one commit each", clients]
        measure.verdict(f"shared commits ÷ one commit each, {clients} clients", ratio, goal, at_least=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(HERE))
    main()
