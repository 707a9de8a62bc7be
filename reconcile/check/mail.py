"""Whether mail could leave: the server answers, encrypted as asked for, and takes the password. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator

from reconcile.alerts import smtp
from reconcile.check.finding import Finding, Level
from reconcile.clock import Stop
from reconcile.config import AlertsConfig, Config

AREA = "alerts"
_HOW = {"tls": "encrypted", "starttls": "encrypted by STARTTLS", "off": "in the clear"}


def check(config: Config, stop: Stop) -> Iterator[Finding]:
    """Without a section `alerts` there is nothing to say: that nobody is told may be meant."""
    if config.alerts is None:
        return
    yield _server(config.alerts, stop)
    jobs = {schedule.job for schedule in config.schedules}
    if jobs and "alerts" not in jobs:
        remedy = "add {job: alerts, every: 5m} to `schedules:`"
        yield Finding(Level.WARN, AREA, "no schedule runs the job `alerts`, so a daemon tells nobody", remedy)


def _server(alerts: AlertsConfig, stop: Stop) -> Finding:
    url = alerts.smtp.get_secret_value()
    server = smtp.server_of(url)
    try:
        with smtp.connect(url, alerts.from_, stop):
            what = f"{server.host}:{server.port} takes mail from us, {_HOW[server.tls]}"
            return Finding(Level.OK, AREA, what)
    except smtp.Unreachable as error:
        remedy = "`reconcile alerts test` tries again; until then alerts stay queued"
        return Finding(Level.FAIL, AREA, f"mail does not leave: {error}", remedy, exit_code=3)
