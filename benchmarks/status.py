"""How near asking about due transactions comes to what the source's rate allows: wall time × rate ÷ transactions.

Run: python benchmarks/status.py [TRANSACTIONS] [RATE]
"""

from __future__ import annotations

import resource
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import measure
from serving import serve, served

from reconcile import config, runner
from reconcile.clock import Stop, SystemClock
from reconcile.context import Context, Options
from reconcile.ledger import Ledger
from reconcile.model import Reported, Subject, TransactionStatus
from reconcile.targets import factory
from reconcile.transactions import hearing
from reconcile.transactions.decide import Road

CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  pay:
    connector: stripe
    api_key: sk_test_dummy
    base_url: BASE
    http: {rate: RATE/s}
    webhook: {secret: whsec_dummy, topics: [payment_intent.succeeded]}
"""


class Handler(BaseHTTPRequestHandler):
    """Answers any payment intent: every other one has succeeded."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        id_ = self.path.rpartition("/")[2]
        status = "succeeded" if int(id_.removeprefix("pi_")) % 2 else "processing"
        body = (
            f'{{"id":"{id_}","object":"payment_intent","created":1717243200,"status":"{status}","amount":1999,'
            f'"currency":"usd","livemode":false,"description":"{"x" * 1500}"}}'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def follow(ledger: Ledger, number: int) -> None:
    began = datetime.now(UTC) - timedelta(days=1)
    with ledger.write() as tx:
        for start in range(0, number, 500):
            subjects = [Subject("payment_intent", f"pi_{n:09d}") for n in range(start, min(start + 500, number))]
            reports = [Reported(one, TransactionStatus.PENDING, "processing", at=began) for one in subjects]
            hearing.hear(tx, "pay", reports, Road.EVENT)


def asked(base: str, folder: Path, number: int, rate: int) -> float:
    """Seconds that one run of the job takes for `number` due transactions."""
    path = folder / "schedules.yaml"
    path.write_text(CONFIG.replace("BASE", base).replace("RATE", str(rate)))
    path.chmod(0o600)
    read = config.load(path, {})
    ledger = Ledger.open(read.ledger.get_secret_value(), SystemClock())
    follow(ledger, number)
    context = Context(read, ledger, SystemClock(), Stop(), lambda _source: None, factory.make)
    started = measure.wall()
    report = runner.run(context, ("status-checks",), Options(), "benchmark")
    seconds = measure.wall() - started
    ledger.close()
    assert report.transactions == {"checked": number, "resolved": number // 2, "pending": number - number // 2,
                                   "unresolved": 0}, report  # fmt: skip
    return seconds


def main() -> None:
    number, rate = (int(word) for word in (sys.argv[1:] + ["10000", "200"][len(sys.argv) - 1 :]))
    print(f"{number} due transactions, {rate} requests/s ({measure.machine()})")
    with served(__file__, "serve") as base, tempfile.TemporaryDirectory() as folder:
        cpu = measure.cpu_seconds()
        seconds = asked(base, Path(folder), number, rate)
        cpu = measure.cpu_seconds() - cpu
    print(f"  allowed {number / rate:.1f} s   taken {seconds:.1f} s   CPU {cpu / number * 1e3:.2f} ms each")
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    measure.verdict("wall time ÷ what the rate allows", seconds / (number / rate), 1.1)


if __name__ == "__main__":
    serve(Handler) if sys.argv[1:] == ["serve"] else main()
