"""Topics that only a live delivery brings are named, never passed over in silence (C11)."""

from __future__ import annotations

from support.cli import Project, shop

from connectors.shopify import Shopify
from connectors.stripe import Stripe
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
