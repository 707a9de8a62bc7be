"""Alerts in one process: a ledger, a configuration with a source or two, a mail server on loopback, a clock of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from reconcile import config, runner
from reconcile.clock import Stop
from reconcile.context import Context, Options
from reconcile.ledger import Ledger, incidents
from reconcile.model import IncidentKind
from reconcile.report import RunReport
from reconcile.sandbox import mail
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.mail import Post
from support.ledgers import NOON
from support.running import a_shop

OPS, BOSS, PARTY = "ops@acme.example", "boss@acme.example", "support@gate.example"
ALERTS = """\
alerts:
  smtp: {smtp}
  from: reconcile@acme.example
  to: [{to}]
  third_parties: {{pay: [{party}]}}
{more}"""


@dataclass
class Office:
    """Runs the alerts job as the program does; `post` is where its mail goes."""

    folder: Path
    ledger: Ledger
    clock: SettableClock
    post: Post
    to: str = OPS
    smtp: str = ""
    more: str = ""
    alerts: bool = True
    sources: str = ""
    schedules: str = ""
    stop: Stop = field(default_factory=Stop)

    def config(self) -> config.Config:
        """The configuration as it would be in the file."""
        smtp = self.smtp or f"smtp://127.0.0.1:{self.post.port}?tls=off"
        text = f"ledger: {self.ledger.url}\nsources:\n{a_shop('shop')}{a_shop('pay')}{self.sources}{self.schedules}"
        if self.alerts:
            text += ALERTS.format(smtp=smtp, to=self.to, party=PARTY, more=self.more)
        path = self.folder / "schedules.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return config.load(path, {})

    def context(self) -> Context:
        """What the job is given."""
        return Context(self.config(), self.ledger, self.clock, self.stop, lambda _source: None, _no_target, threads=0)

    def run(self, *, scheduled: bool = False, dry_run: bool = False) -> RunReport:
        """`reconcile run alerts`, or a timetable's run of it."""
        options = Options(scheduled=scheduled, dry_run=dry_run)
        report = runner.run(self.context(), ["alerts"], options, "run")
        if report.bug is not None:
            raise report.bug
        return report

    def open(self, key: str = "pay_1", **values: object) -> int:
        """An incident of a transaction without an outcome."""
        given = {
            "source": "pay",
            "kind": IncidentKind.UNRESOLVED,
            "key": key,
            "summary": f"{key} was asked about 5 times and has not ended",
            "command": incidents.command("transactions", "resolve", key),
            "reference": key,
            "amount": "1999",
            "currency": "eur",
            "third_party": True,
        } | values
        with self.ledger.write() as tx:
            return incidents.open_(tx, **given)

    def close(self, key: str = "pay_1") -> None:
        """The transaction has come to its end."""
        with self.ledger.write() as tx:
            assert incidents.close(tx, source="pay", kind=IncidentKind.UNRESOLVED, key=key, note="it succeeded")

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.clock.set(self.clock.now() + timedelta(**span))

    def got(self, address: str = OPS) -> list[str]:
        """The subjects of what an address was sent, but for what they say it is about."""
        return [str(one.message["Subject"]).partition(": ")[0] for one in self.post.to(address)]


def _no_target(*_: object) -> object:
    raise AssertionError("the alerts job delivers no events")


@contextmanager
def an_office(folder: Path, post: Post | None = None, url: str = "", **more: object) -> Iterator[Office]:
    """An office on a fresh SQLite ledger, or the one at `url`, with a mail server unless one is given."""
    clock = SettableClock(NOON)
    ledger = Ledger.open(url or f"sqlite:///{folder / 'ledger.db'}", clock)
    try:
        if post is not None:
            yield Office(folder, ledger, clock, post, **more)
        else:
            with mail.serve() as served:
                yield Office(folder, ledger, clock, served, **more)
    finally:
        ledger.close()
