"""From a configuration file to a target that delivers."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from support.pools import an_event, collect, jobs, write_app

from connectors.stripe import Stripe
from reconcile.clock import SystemClock
from reconcile.config import load
from reconcile.connector import Delivery
from reconcile.errors import ConfigError, DeliveryRefused
from reconcile.targets import factory
from reconcile.targets.model import Job, Verdict

YAML = """
ledger: sqlite:///reconcile.db
sources:
  payments:
    connector: stripe
    api_key: sk_test_dummy_0123456789
    webhook: {{url: "https://hooks.acme.example/stripe", secret: [whsec_dummy_new, whsec_dummy_old], topics: [charge.refunded]}}
{handler}
"""  # noqa: E501 - one line of YAML


@pytest.fixture
def make(tmp_path):
    """Makes the target of a source with this handler."""
    made = []

    def build(handler: str):
        path = tmp_path / "schedules.yaml"
        path.write_text(YAML.format(handler=handler and f"    handler: {handler}"))
        config = load(path, {})
        source = config.sources["payments"]
        context = SimpleNamespace(config=config, clock=SystemClock(), connector=lambda found: Stripe(found.settings))
        made.append(factory.make(context, source))
        return made[-1]

    yield build
    for target in made:
        target.close()


def test_a_python_handler(make, tmp_path):
    """The reference is found beside the file, and secrets of the file are kept out of errors."""
    code = "@handlers.on('charge.*')\ndef h(event): raise ValueError('sk_test_dummy_0123456789')"
    target = make(write_app(tmp_path, code))
    target.submit(jobs("charge.refunded"))
    (outcome,) = collect(target, 1)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.error.startswith("ValueError: *** (")


def test_a_topic_nobody_takes(make, tmp_path):
    """A topic of the subscription that no function takes is said before anything is delivered."""
    with pytest.raises(ConfigError, match=r"payments.webhook.topics: handler .* takes none of charge.refunded"):
        make(write_app(tmp_path, "@handlers.on('charge.failed')\ndef h(event): ..."))


def test_a_url_is_signed_with_the_newest_secret(make, monkeypatch):
    """H10: the receiver's own verification accepts the replay, now, with the first secret and no other."""
    sent = []
    answer = httpx.MockTransport(lambda request: sent.append(request) or httpx.Response(200))
    monkeypatch.setattr("reconcile.targets.http.Destination", lambda *_: answer)
    target = make("https://app.acme.example/hooks")
    target.submit([Job(1, 1, "me", an_event("charge.refunded", b'{"id": "evt_1"}'), 1)])
    assert collect(target, 1)[0].verdict is Verdict.HANDLED
    delivery = Delivery(dict(sent[0].headers), sent[0].content, SystemClock().now())
    connector = Stripe(Stripe.Settings(api_key="sk_test_dummy_0123456789"))
    connector.verify(delivery, ["whsec_dummy_new"])
    with pytest.raises(DeliveryRefused):
        connector.verify(delivery, ["whsec_dummy_old"])


def test_a_source_without_a_handler_has_no_target(make):
    """A source without handler has no target."""
    with pytest.raises(ConfigError, match=r"sources.payments: there is no `handler:`"):
        make("")
