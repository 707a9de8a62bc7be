"""The keys of `alerts:` beyond the addresses: defaults, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.config import ENV, below, load_text, problems_of

PLAIN = "smtp: 'smtp://b', from: a@b.example, to: [c@d.example]"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_defaults_are_an_operators():
    """What is open is told again once a day, and nobody else is told unless asked for."""
    alerts = load_text(below(f"alerts: {{{PLAIN}}}")).alerts
    assert (alerts.repeat, alerts.escalate, alerts.digest, alerts.lag) == (timedelta(days=1), (), 10, 3)
    assert (alerts.silence.runs, alerts.silence.deliveries, alerts.ping) == (3, timedelta(days=1), None)


BROKEN = {
    "escalation that does not grow": (
        "escalate: [{after: 2h, to: [e@f.example]}, {after: 1h, to: [e@f.example]}]",
        ":6:109 alerts.escalate[1]: must come after the step before it",
    ),
    "escalation to nobody": ("escalate: [{after: 2h, to: []}]", ":6:89 alerts.escalate[0].to: must not be empty"),
    "unknown key of a step": (
        "escalate: [{after: 2h, to: [e@f.example], whom: x}]",
        ":6:108 alerts.escalate[0].whom: unknown key; there are: after, to",
    ),
    "unknown key of silence": (
        "silence: {run: 3}",
        ":6:76 alerts.silence.run: unknown key; did you mean runs?",
    ),
    "repeat": ("repeat: 0s", ":6:74 alerts.repeat: must be more than 0 (got 0s)"),
    "ping in the clear": ("ping: 'http://hc.example/x'", ":6:72 alerts.ping: must be https"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_alerts_are_refused_with_exactly_this_line(case):
    """Each key of the section is checked, at its own place."""
    text, line = BROKEN[case]
    assert problems_of(below(f"alerts: {{{PLAIN}, {text}}}"), ENV) == (line,)


def test_password_in_the_clear_is_refused():
    """A password is never sent unencrypted to another machine, not even when encryption is switched off (X1)."""
    text = below("alerts: {smtp: 'smtp://a:hush@mail.example?tls=off', from: a@b.example, to: [c@d.example]}")
    assert problems_of(text) == (":6:16 alerts.smtp: must not send a password in the clear: leave out ?tls=off",)


def test_addresses_are_ascii():
    """What only some mail servers can carry is not accepted and then never delivered."""
    text = below("alerts: {smtp: 'smtp://b', from: a@b.example, to: ['\u00fc@d.example']}")
    assert problems_of(text) == (
        ":6:52 alerts.to[0]: must be an e-mail address such as ops@example.com (got \u00fc@d.example)",
    )
