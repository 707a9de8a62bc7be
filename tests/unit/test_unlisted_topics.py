"""Topics that only a live delivery brings are named, never passed over in silence (C11)."""

from __future__ import annotations

import httpx
from support.cli import Project, shop
from support.targets import a_source

from connectors.shopify import Shopify
from connectors.stripe import Stripe
from reconcile.check.provider import check
from reconcile.clock import Stop, SystemClock
from reconcile.config import WebhookConfig
from reconcile.reading.planes import unlisted
from reconcile.topics import Topics


def test_what_no_list_shows_is_named_with_its_reason():
    """Deleted things, edits and names nobody knows are; what a list proves, or proves without a body, is not."""
    topics = Topics(["orders/create", "orders/delete", "orders/paid", "app/uninstalled"])
    assert unlisted(Shopify.facts, topics) == {
        "app/uninstalled": "no list shows it",
        "orders/delete": "what was deleted is no longer listed",
    }


def test_a_wildcard_is_looked_into():
    """`products/*` asks for `products/delete` too."""
    assert list(unlisted(Shopify.facts, Topics(["products/*"]))) == ["products/delete"]


def test_a_log_shows_every_topic():
    """Where there is an event log, what no list shows is its retention's matter."""
    assert unlisted(Stripe.facts, Topics(["customer.deleted", "charge.updated"])) == {}


def test_check_and_the_report_name_them(tmp_path):
    """A source of such topics alone is not called complete without a word."""
    project = Project(tmp_path)
    with shop(project):
        path = tmp_path / "schedules.yaml"
        path.write_text(path.read_text().replace("[orders/create, orders/updated]", "[orders/delete]"))
        said = project.call("check").stdout
        notes = project.call_json("run", "backfill", "--since", "1d")["notes"]
    assert "what is lost of orders/delete cannot be found: what was deleted is no longer listed" in said
    assert any("nothing lists orders/delete" in note for note in notes)


def test_a_name_that_a_log_never_has_is_no_topic():
    """Its log would prove it complete for ever: `check` names what is meant (C11)."""
    webhook = WebhookConfig(topics=("charge.refundd", "charge.refunded", "payout.*", "*", "pay.*"))
    source = a_source(connector="stripe", webhook=webhook, settings=Stripe.Settings(api_key="sk_test_dummy"))
    refused = httpx.MockTransport(lambda _: httpx.Response(401))
    found = check(source, SystemClock(), Stop(), refused)
    said = [(one.what.split()[1], one.remedy.partition(";")[0]) for one in found if "known to have" in one.what]
    assert said == [
        ("charge.refundd", "if charge.refunded is meant, name it so"),
        ("pay.*", "compare it with the provider's list"),
    ]
