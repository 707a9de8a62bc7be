"""No secret of the configuration leaves the executable, however it is run (X1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.cli import CONFIG, Project

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify

TOKEN, SECRET, PASSWORD = "shpat_canary_9f3e", "whsec_canary_7ab1", "smtp canary/55c2"
QUOTED = "smtp%20canary%2F55c2"


@pytest.fixture
def project(tmp_path):
    """A project folder whose secrets come from the environment and from the file."""
    return Project(tmp_path, {"TOKEN": TOKEN, "SMTP": f"smtps://mailer:{QUOTED}@127.0.0.1:9"})


def write(project, url):
    text = CONFIG.replace("BASE_URL", url).replace("whsec_dummy_hush", SECRET)
    alerts = "alerts:\n  smtp: ${SMTP}\n  from: reconcile@acme.example\n  to: [ops@acme.example]\n"
    (project.folder / "schedules.yaml").write_text(text + alerts)


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("check", "--json"),
        ("run", "--since", "1d", "--json"),
        ("--log-format", "json", "run", "--since", "1d"),
        ("status", "--json"),
    ],
)
def test_no_canary_is_printed(project, words):
    """A provider that echoes the token it refused is not allowed to show it either."""
    fake = FakeShopify(clock=SettableClock(datetime.now(UTC)), throttle=False)

    def echo(request):
        answer = fake.handle(request)
        if answer.status_code != 401:
            return answer
        return type(answer)(403, content=f'{{"errors": "no: {request.headers["x-shopify-access-token"]}"}}'.encode())

    with serve(echo) as served:
        write(project, served.url)
        done = project.run(*words)
    shown = done.stdout + done.stderr
    assert done.returncode in (0, 4), shown
    for canary in (TOKEN, SECRET, PASSWORD, QUOTED):
        assert canary not in shown


def test_a_broken_configuration_shows_no_value_of_a_secret(project):
    """Errors name the line and the key, never what stood there."""
    write(project, "https://acme.myshopify.com")
    path = project.folder / "schedules.yaml"
    path.write_text(path.read_text().replace("access_token: ${TOKEN:-shpat_dummy}", 'access_token: ["${TOKEN:-x}"]'))
    done = project.run("run", "--json")
    assert done.returncode == 2
    assert "access_token" in done.stderr
    for canary in (TOKEN, SECRET, PASSWORD, QUOTED):
        assert canary not in done.stdout + done.stderr
