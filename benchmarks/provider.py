"""A provider that is nothing but fast: N orders ten seconds apart, and N charges, served from a process of its own.

`python benchmarks/provider.py N` prints its port and serves until it is ended. Bodies are about 2.1 KB an item, as
a small order is. It is no fake in the sense of `reconcile.sandbox`: it refuses nothing.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from serving import serve, served

START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = 10  # seconds between two items
FIRST_ID = 1_000_000
PAD = "x" * 1900
WEBHOOKS = b"""{"webhooks":[{"id":1,"topic":"orders/create","address":"https://hooks.acme.example/shop","format":"json",
"api_version":"2026-10"}]}"""
SCOPES = b'{"access_scopes":[{"handle":"read_orders"},{"handle":"read_all_orders"}]}'


def at(number: int) -> datetime:
    """When item `number` was created and last changed."""
    return START + timedelta(seconds=number * STEP)


def order(number: int) -> str:
    """One order of the list."""
    when = at(number).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'{{"id":{FIRST_ID + number},"admin_graphql_api_id":"gid://shopify/Order/{FIRST_ID + number}",'
        f'"created_at":"{when}","updated_at":"{when}","cancelled_at":null,"note":"{PAD}",'
        f'"financial_status":"paid","fulfillment_status":null,"refunds":[],"fulfillments":[]}}'
    )


#: Shaped as a card charge is: what the official SDK spends its time on is nesting, not bytes.
CHARGE = {
    "object": "charge",
    "amount": 1999,
    "amount_captured": 1999,
    "amount_refunded": 0,
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "balance_transaction": "txn_000000000000000000000001",
    "billing_details": {
        "address": {"city": None, "country": "US", "line1": None, "line2": None, "postal_code": "94107", "state": None},
        "email": "jenny@example.com",
        "name": "Jenny Example",
        "phone": None,
        "tax_id": None,
    },
    "calculated_statement_descriptor": "ACME",
    "captured": True,
    "currency": "usd",
    "customer": "cus_000000000000001",
    "description": "Order 1001",
    "disputed": False,
    "failure_code": None,
    "failure_message": None,
    "fraud_details": {},
    "livemode": False,
    "metadata": {"order": "1001", "channel": "web"},
    "outcome": {
        "advice_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "Payment complete.",
        "type": "authorized",
    },
    "paid": True,
    "payment_intent": "pi_000000000000000000000001",
    "payment_method": "card_00000000000000000000001",
    "payment_method_details": {
        "card": {
            "amount_authorized": 1999,
            "brand": "visa",
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "exp_month": 8,
            "exp_year": 2030,
            "extended_authorization": {"status": "disabled"},
            "fingerprint": "0000000000000000",
            "funding": "credit",
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": "4242",
            "multicapture": {"status": "unavailable"},
            "network": "visa",
            "network_token": {"used": False},
            "overcapture": {"maximum_amount_capturable": 1999, "status": "unavailable"},
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    },
    "receipt_email": None,
    "receipt_number": None,
    "refunded": False,
    "shipping": None,
    "source": None,
    "statement_descriptor": None,
    "status": "succeeded",
    "transfer_group": None,
}
CHARGE_TAIL = json.dumps(CHARGE)[1:]


def charge(number: int) -> str:
    """One charge of the list."""
    return f'{{"id":"ch_{number:09d}","created":{int(at(number).timestamp())},{CHARGE_TAIL}'


class Handler(BaseHTTPRequestHandler):
    """Answers `orders.json` by `page_info`, `/v1/charges` by `starting_after`."""

    protocol_version = "HTTP/1.1"
    items = 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path.endswith("access_scopes.json"):
            self._answer(SCOPES, "")
        elif url.path.endswith("/webhooks.json"):
            self._answer(WEBHOOKS, "")
        elif url.path == "/v1/charges":
            self._answer(*self._charges(asked))
        else:
            self._answer(*self._orders(asked))

    def _orders(self, asked: dict[str, str]) -> tuple[bytes, str]:
        if "page_info" in asked:
            low, high = map(int, asked["page_info"].split("-"))
        else:
            low = max(0, -(-self._seconds(asked.get("updated_at_min"), 0) // STEP))
            high = min(self.items - 1, self._seconds(asked.get("updated_at_max"), self.items * STEP) // STEP)
        size = int(asked.get("limit", "250"))
        body = '{"orders":[' + ",".join(order(n) for n in range(low, min(low + size, high + 1))) + "]}"
        following = f"{low + size}-{high}" if low + size <= high else ""
        port = self.server.server_address[1]
        link = f"http://127.0.0.1:{port}/admin/api/2026-10/orders.json?limit={size}&page_info={following}"
        return body.encode(), f'<{link}>; rel="next"' if following else ""

    def _seconds(self, text: str | None, default: int) -> int:
        if text is None:
            return default
        return int((datetime.fromisoformat(text) - START).total_seconds())

    def _charges(self, asked: dict[str, str]) -> tuple[bytes, str]:
        newest = int(asked["starting_after"].removeprefix("ch_")) - 1 if "starting_after" in asked else self.items - 1
        oldest = max(-1, newest - int(asked.get("limit", "10")))
        data = ",".join(charge(n) for n in range(newest, oldest, -1))
        more = "true" if oldest >= 0 else "false"
        return f'{{"object":"list","url":"/v1/charges","has_more":{more},"data":[{data}]}}'.encode(), ""

    def _answer(self, body: bytes, link: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Shopify-API-Version", "2026-10")
        self.send_header("Content-Length", str(len(body)))
        if link:
            self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(body)


def provider(items: int) -> AbstractContextManager[str]:
    """The base URL of a provider with `items` orders and charges, in a process of its own."""
    return served(__file__, str(items))


def main() -> None:
    Handler.items = int(sys.argv[1])
    serve(Handler)


if __name__ == "__main__":
    main()
