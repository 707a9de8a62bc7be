"""Bodies as Shopify's REST resources have them: keys after the published order fixture, values made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconcile.sandbox.fake import Json
from reconcile.sandbox.seeds import Dice

FIRST_NAMES = ("Ada", "Björn", "Chloé", "Dmitri", "Élise", "Fatima", "Grace", "Hiro", "Inês", "Jun")
LAST_NAMES = (
    "Ångström",
    "Brown",
    "Castillo",
    "Dvořák",
    "Evans",
    "Fischer",
    "Garcia",
    "Ito",
    "Novák",
    "Okafor",
)
CITIES = (("Ottawa", "Canada", "CA"), ("Zürich", "Switzerland", "CH"), ("Boston", "United States", "US"))
GOODS = (
    "Enamel mug",
    "Wool blanket",
    "Desk lamp",
    "Notebook, A5",
    "Coffee beans 1 kg",
    "Linen apron",
    "Bike bell",
)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order; `price` in cents."""

    title: str
    price: int
    quantity: int = 1
    product_id: int | None = None


def money(cents: int) -> str:
    """`1999` as `"19.99"`."""
    return f"{cents // 100}.{cents % 100:02d}"


def _money_set(cents: int, currency: str) -> Json:
    amount = {"amount": money(cents), "currency_code": currency}
    return {"shop_money": amount, "presentment_money": dict(amount)}


def graphql_id(kind: str, resource_id: int) -> str:
    """`gid://shopify/Order/1`."""
    return f"gid://shopify/{kind}/{resource_id}"


def address(dice: Dice, first: str, last: str) -> Json:
    """A postal address."""
    city, country, code = dice.choice(CITIES)
    return {
        "first_name": first, "last_name": last, "name": f"{first} {last}", "company": None,
        "address1": f"{dice.randint(1, 399)} Elm St.", "address2": "", "city": city, "province": None,
        "country": country, "country_code": code, "zip": f"{dice.randint(10000, 99999)}",
        "phone": f"+1555{dice.randint(1000000, 9999999)}",
    }  # fmt: skip


def customer(dice: Dice, resource_id: int, now: str) -> Json:
    """A customer as `customers.json` lists it."""
    first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
    return {
        "id": resource_id, "email": f"customer{resource_id % 100_000}@example.com", "created_at": now,
        "updated_at": now, "first_name": first, "last_name": last, "orders_count": 0, "state": "disabled",
        "total_spent": "0.00", "last_order_id": None, "note": None, "verified_email": True,
        "tax_exempt": False, "tags": "", "currency": "USD", "phone": None,
        "addresses": [address(dice, first, last)],
        "admin_graphql_api_id": graphql_id("Customer", resource_id),
    }  # fmt: skip


def product(resource_id: int, variant_id: int, title: str, cents: int, now: str) -> Json:
    """A product with one variant."""
    variant = {
        "id": variant_id, "product_id": resource_id, "title": "Default Title", "price": money(cents),
        "position": 1, "sku": f"SKU-{variant_id % 10_000}", "inventory_quantity": 100, "created_at": now,
        "updated_at": now,
    }  # fmt: skip
    return {
        "id": resource_id, "title": title, "body_html": f"<p>{title}</p>", "vendor": "Acme",
        "product_type": "", "created_at": now, "handle": title.lower().replace(" ", "-"), "updated_at": now,
        "published_at": now, "template_suffix": None, "published_scope": "global", "tags": "",
        "status": "active", "admin_graphql_api_id": graphql_id("Product", resource_id),
        "variants": [variant], "options": [], "images": [],
    }  # fmt: skip


def line(line_id: int, item: Item, currency: str) -> Json:
    """One line item of an order."""
    return {
        "id": line_id, "admin_graphql_api_id": graphql_id("LineItem", line_id), "title": item.title,
        "name": item.title, "price": money(item.price), "price_set": _money_set(item.price, currency),
        "quantity": item.quantity, "current_quantity": item.quantity, "fulfillable_quantity": item.quantity,
        "fulfillment_service": "manual", "fulfillment_status": None, "gift_card": False, "grams": 400,
        "product_id": item.product_id, "requires_shipping": True, "sku": f"SKU-{line_id % 10_000}",
        "taxable": True, "total_discount": "0.00", "variant_id": None, "vendor": "Acme", "tax_lines": [],
        "properties": [],
    }  # fmt: skip


def order(
    dice: Dice, resource_id: int, now: str, *, number: int, lines: Sequence[Json], buyer: Json, cents: int
) -> Json:
    """A new, unpaid order of about 2 KB and more, by the number of `lines`."""
    home = buyer["addresses"][0] if buyer.get("addresses") else None
    token = dice.token(32).lower()
    total = money(cents)
    totals = {f"{prefix}{name}": total for prefix in ("", "current_") for name in ("subtotal_price", "total_price")}
    return {
        "id": resource_id, "admin_graphql_api_id": graphql_id("Order", resource_id), "app_id": 580111,
        "browser_ip": "203.0.113.7", "buyer_accepts_marketing": False, "cancel_reason": None,
        "cancelled_at": None, "cart_token": None, "checkout_id": resource_id + 7, "checkout_token": token,
        "client_details": None, "closed_at": None, "confirmed": True, "contact_email": buyer.get("email"),
        "created_at": now, "currency": "USD", **totals, "current_total_discounts": "0.00",
        "current_total_tax": "0.00", "customer_locale": "en", "discount_applications": [],
        "discount_codes": [], "email": buyer.get("email"), "estimated_taxes": False,
        "financial_status": "pending", "fulfillment_status": None, "location_id": None,
        "name": f"#{number}", "note": None, "note_attributes": [], "number": number - 1000,
        "order_number": number, "order_status_url": f"https://acme.myshopify.com/1/orders/{token}",
        "payment_gateway_names": ["bogus"], "phone": None, "presentment_currency": "USD",
        "processed_at": now, "source_name": "web", "tags": "", "tax_lines": [], "taxes_included": False,
        "test": False, "token": token, "total_discounts": "0.00", "total_line_items_price": total,
        "total_outstanding": total, "total_tax": "0.00", "total_weight": 400,
        "total_price_set": _money_set(cents, "USD"), "updated_at": now, "user_id": None,
        "billing_address": home,
        "customer": {name: value for name, value in buyer.items() if name != "addresses"},
        "fulfillments": [], "line_items": list(lines), "refunds": [], "shipping_address": home,
        "shipping_lines": [],
    }  # fmt: skip


def transaction(resource_id: int, order_id: int, now: str, *, kind: str, status: str, cents: int) -> Json:
    """One movement of an order's money."""
    return {
        "id": resource_id, "admin_graphql_api_id": graphql_id("OrderTransaction", resource_id),
        "order_id": order_id, "amount": money(cents), "authorization": None, "created_at": now,
        "currency": "USD", "device_id": None, "error_code": None, "gateway": "bogus", "kind": kind,
        "location_id": None, "message": None, "parent_id": None, "processed_at": now, "source_name": "web",
        "status": status, "test": False, "user_id": None,
    }  # fmt: skip


def refund(resource_id: int, order_id: int, movement: Json, now: str) -> Json:
    """A refund, with the transaction that moved the money."""
    return {
        "id": resource_id, "admin_graphql_api_id": graphql_id("Refund", resource_id), "order_id": order_id,
        "created_at": now, "processed_at": now, "note": "", "restock": True, "user_id": None,
        "duties": [], "order_adjustments": [], "refund_line_items": [], "transactions": [movement],
    }  # fmt: skip


def fulfillment(resource_id: int, order_id: int, name: str, now: str) -> Json:
    """A parcel of an order."""
    return {
        "id": resource_id, "admin_graphql_api_id": graphql_id("Fulfillment", resource_id),
        "order_id": order_id, "created_at": now, "updated_at": now, "location_id": None, "name": name,
        "service": "manual", "shipment_status": None, "status": "success", "tracking_company": None,
        "tracking_number": None, "tracking_numbers": [], "tracking_url": None, "tracking_urls": [],
        "line_items": [],
    }  # fmt: skip


def draft_order(resource_id: int, number: int, now: str, lines: Sequence[Json], cents: int) -> Json:
    """An order somebody still writes."""
    return {
        "id": resource_id, "admin_graphql_api_id": graphql_id("DraftOrder", resource_id),
        "name": f"#D{number}", "note": None, "email": None, "taxes_included": False, "currency": "USD",
        "invoice_sent_at": None, "created_at": now, "updated_at": now, "tax_exempt": False,
        "completed_at": None, "status": "open", "line_items": list(lines), "order_id": None,
        "subtotal_price": money(cents), "total_price": money(cents), "total_tax": "0.00", "tags": "",
        "customer": None,
    }  # fmt: skip
