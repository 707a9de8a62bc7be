"""A shop and a Stripe account on a bench, and what a test of their subscriptions asks them."""

from __future__ import annotations

from reconcile.ledger import incidents, subscriptions
from reconcile.model import IncidentKind
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.vault import Vault
from support import running
from support.running import Bench

TOPICS = ("charge.succeeded", "charge.refunded")
SHOP_TOPICS = ("orders/create", "orders/updated")
SHOP_URL, PAY_URL = "https://hooks.example/acme", "https://hooks.example/pay"
OTHERS = "https://elsewhere.example/hook"


def add_shop(bench: Bench, **settings) -> FakeShopify:
    """A shop that should send orders/create and orders/updated."""
    return running.add_shop(bench, "acme", **settings)


def add_stripe(bench: Bench, *, more: str = "handler: app:take") -> FakeStripe:
    """A Stripe account that should send two topics."""
    return running.add_stripe(bench, ", ".join(TOPICS), more=more)


def require(bench: Bench, *versions: str) -> None:
    """Let every source insist on these API versions."""
    lines = bench.text.splitlines(keepends=True)
    with_versions = f", api_versions: [{', '.join(repr(one) for one in versions)}]}}\n"
    bench.text = "".join(line.replace("}\n", with_versions) if "webhook:" in line else line for line in lines)


def check(bench: Bench, **options):
    """The job alone: what it said of each topic, and its report."""
    report = bench.run("subscriptions", since=None, **options)
    return [(row["topic"], row["found"], row["action"]) for row in report.subscriptions], report


def rows(found: str, action: str, *topics: str):
    return [(topic, found, action) for topic in topics]


def endpoints(fake: FakeStripe, url: str = PAY_URL):
    return [one for one in fake.endpoints.of(fake.main_account) if one.url == url]


def hooks(fake: FakeShopify, url: str = SHOP_URL):
    return sorted(hook.topic for hook in fake.hooks if hook.address == url)


def mutations(fake):
    return [(seen.method, seen.path.rpartition("/")[2]) for seen in fake.requests if seen.method != "GET"]


def told(bench: Bench, *, open_only: bool = False) -> list[str]:
    with bench.ledger.read() as tx:
        return [one.summary for one in incidents.find(tx, kind=IncidentKind.SUBSCRIPTION, open_only=open_only)]


def ours(bench: Bench, source: str = "pay"):
    with bench.ledger.read() as tx:
        return subscriptions.of(tx, source)


def kept(bench: Bench, source: str = "pay") -> dict[str, str]:
    """The secrets a receiver would find."""
    return Vault.of(bench.config(), bench.ledger).accepted(source)
