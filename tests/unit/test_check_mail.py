"""What `reconcile check` says of the mail server: whether alerts would leave, with nothing sent to find out."""

from __future__ import annotations

import socket

import pytest
from support.cli import CONFIG

from reconcile.check import Level
from reconcile.check import mail as checked
from reconcile.clock import Stop
from reconcile.config import load
from reconcile.sandbox import mail
from reconcile.sandbox.mail import Post

ALERTS = "alerts: {smtp: 'SMTP', from: reconcile@acme.example, to: [ops@acme.example]}\n"


@pytest.fixture
def findings(tmp_path):
    """The findings about mail, as (level, what, remedy, exit code), of a configuration with this server and more."""

    def of(smtp, more=""):
        path = tmp_path / "schedules.yaml"
        alerts = ALERTS.replace("SMTP", smtp) if smtp else ""
        path.write_text(CONFIG.replace("BASE_URL", "http://127.0.0.1:9") + alerts + more)
        path.chmod(0o600)
        return [(one.level, one.what, one.remedy, one.exit_code) for one in checked.check(load(path, {}), Stop())]

    return of


def test_without_alerts_there_is_nothing_to_say(findings):
    """That nobody is told may be meant."""
    assert findings("") == []


def test_a_server_that_takes_our_mail_is_fine_and_gets_none(findings):
    """Greeted, logged in, and left again."""
    with mail.serve(Post(user="u", password="hush_dummy")) as post:
        (found,) = findings(f"smtp://u:hush_dummy@127.0.0.1:{post.port}?tls=off")
        assert found == (Level.OK, f"127.0.0.1:{post.port} takes mail from us, in the clear", "", 0)
        assert post.received == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("smtp://127.0.0.1:CLOSED?tls=off", "Connection refused"),
        ("smtp://u:wrong_dummy@127.0.0.1:PORT?tls=off", ""),
        ("smtp://u:hush_dummy@127.0.0.1:PORT", "STARTTLS"),
    ],
    ids=["down", "wrong password", "no STARTTLS"],
)
def test_mail_that_would_not_leave_fails_with_3_and_a_remedy(findings, url, said):
    """A5, X1: what a run would exit with, before there is anything to tell; the password is not shown."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    with mail.serve(Post(user="u", password="hush_dummy")) as post:
        ((level, what, remedy, code),) = findings(url.replace("CLOSED", str(closed)).replace("PORT", str(post.port)))
    assert (level, code) == (Level.FAIL, 3)
    assert what.startswith("mail does not leave: 127.0.0.1:")
    assert said in what
    assert "wrong_dummy" not in what
    assert "`reconcile alerts test` tries again" in remedy


@pytest.mark.parametrize(("job", "warned"), [("backfill", True), ("alerts", False)])
def test_a_daemon_that_would_tell_nobody_is_warned_of(findings, job, warned):
    """Schedules without the job `alerts` send no mail, whoever is named in `to`."""
    with mail.serve() as post:
        more = f"schedules:\n  - {{job: {job}, every: 5m}}\n"
        found = findings(f"smtp://127.0.0.1:{post.port}?tls=off", more)
    warnings = [(what, remedy) for level, what, remedy, _ in found if level is Level.WARN]
    assert [remedy for _, remedy in warnings] == (["add {job: alerts, every: 5m} to `schedules:`"] if warned else [])
