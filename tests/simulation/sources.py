"""The sources that every world may have, as `schedules.yaml` has them: a shop and an account, at one address."""

from __future__ import annotations

from collections.abc import Sequence

URL = "https://hooks.acme.example/"
SECRETS = {"shop": "whsec_dummy_shop", "pay": "whsec_dummy_pay", "gate": "whsec_dummy_gate"}
HANDLED = """\
    handler: simulated:handler
    http: {rate: 1000/s, attempts: 3}
"""


def shop_and_pay(shop: Sequence[str], pay: Sequence[str]) -> str:
    """Both, with the topics of each."""
    return f"""
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
{_webhook("shop", shop)}{HANDLED}
  pay:
    connector: stripe
    api_key: sk_test_dummy
{_webhook("pay", pay)}{HANDLED}"""


def _webhook(name: str, topics: Sequence[str]) -> str:
    return f"    webhook: {{url: {URL}{name}, secret: {SECRETS[name]}, topics: [{', '.join(topics)}]}}\n"
