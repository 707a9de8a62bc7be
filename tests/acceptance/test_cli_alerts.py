"""Alerts with the real executable, a real ledger and a mail server: what an operator sees, and what nobody may see."""

from __future__ import annotations

import json

import pytest
from support.cli import Project

from reconcile.sandbox import mail

CANARY = "mailcanary_7f3a"
CONFIG = """\
sources:
  shop:
    connector: shopify
    shop: shop.myshopify.com
    access_token: shpat_dummy
    handler: http://127.0.0.1:9/hook
    webhook: {{url: "https://hooks.example/shop", secret: whsec_dummy, topics: [orders/create]}}
alerts:
  smtp: smtp://ops:${{MAIL_PASSWORD}}@127.0.0.1:{port}?tls=off
  from: reconcile@acme.example
  to: [ops@acme.example, second@acme.example]
"""


@pytest.fixture
def post():
    with mail.serve(mail.Post(user="ops", password=CANARY)) as post:
        yield post


@pytest.fixture
def project(tmp_path, post):
    project = Project(tmp_path, {"MAIL_PASSWORD": CANARY})
    project.configure(CONFIG.format(port=post.port))
    return project


def said(project, *words, exits=0):
    """What a command prints; it holds no password (X1)."""
    done = project.run(*words)
    assert done.returncode == exits, done.stderr
    assert CANARY not in done.stdout + done.stderr
    return done.stdout


def test_an_operator_is_told_takes_it_on_and_hears_of_the_end(project, post):
    """A2, A4: a pause is one mail, a list that names the way on, an acknowledgement, and one mail that it is over."""
    assert "250 2.0.0 OK" in said(project, "alerts", "test")
    assert str(post.received[0].message["Subject"]) == "[reconcile] test"
    said(project, "pause", "shop", "--reason", "deploy")
    report = json.loads(said(project, "run", "alerts", "--json", exits=3))
    assert report["alerts"] == {"sent": 1, "queued": 0}
    assert "reconcile resume shop" in said(project, "alerts", "list")
    assert "1 open incident; see `reconcile alerts list`" in said(project, "status")
    assert said(project, "alerts", "ack", "1") == "1 acknowledged\n"
    assert said(project, "alerts", "snooze", "--source", "shop", "--for", "4h").startswith("1 snoozed until ")
    said(project, "resume", "shop")
    assert json.loads(said(project, "run", "alerts", "--json"))["alerts"] == {"sent": 1, "queued": 0}
    assert [str(one.message["Subject"]) for one in post.received[1:]] == [
        "[reconcile] 1 new at shop: Delivery is paused",
        "[reconcile] 1 cleared at shop: Delivery is paused",
    ]
    assert all(CANARY.encode() not in one.content for one in post.received)
    assert said(project, "alerts", "list") == "no open incidents\n"


def test_mail_that_does_not_leave_is_said_and_leaves_later(project, post):
    """A5, A6: a server that puts one address off and is then gone: counted, explained, exit 3; then all arrives."""
    said(project, "pause", "shop")
    post.refused["second@acme.example"] = (450, "4.7.1 greylisted")
    report = json.loads(said(project, "run", "alerts", "--json", exits=3))
    assert report["alerts"] == {"sent": 1, "queued": 1}
    (unsent,) = json.loads(said(project, "alerts", "list", "--json"))["unsent"]
    assert (unsent["address"], unsent["error"]) == ("second@acme.example", "450 4.7.1 greylisted")
    assert "1 mail not arrived; see" in said(project, "status")
    post.greeting = (421, "4.3.2 down for maintenance")
    assert "421 4.3.2 down for maintenance" in said(project, "run", "alerts", exits=3)
    said(project, "alerts", "test", exits=3)
    assert "mail does not leave" in said(project, "check", exits=4)
    post.greeting, post.refused = (220, "back"), {}
    said(project, "resume", "shop")
    assert json.loads(said(project, "run", "alerts", "--json"))["alerts"] == {"sent": 2, "queued": 0}
    assert len(post.to("ops@acme.example")) == len(post.to("second@acme.example")) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("alerts", "ack"), "name incidents by number, or choose them with --source or --kind"),
        (("alerts", "ack", "7"), "there is no incident 7; `reconcile alerts list` shows those there are"),
        (("alerts", "snooze", "7", "--for", "soon"), "must be a duration such as 30s, 5m, 3h or 7d"),
        (("alerts", "snooze", "7"), "Missing option '--for'"),
        (("alerts", "list", "--source", "shp"), "no source is called shp"),
    ],
)
def test_what_is_not_meant_is_refused(project, words, message):
    """Usage errors exit 2 and say what to do; nothing is silenced by accident."""
    done = project.run(*words)
    assert done.returncode == 2
    assert message in done.stderr


def test_trial_mail_needs_a_configuration(project, tmp_path):
    """Without a section there is nobody to write to."""
    text = (tmp_path / "schedules.yaml").read_text().partition("alerts:")[0]
    (tmp_path / "schedules.yaml").write_text(text)
    done = project.run("alerts", "test")
    assert done.returncode == 2
    assert "there is no section `alerts`" in done.stderr
