"""A fake Shopify shop."""

from __future__ import annotations

from reconcile.sandbox.shopify.api import FakeShopify
from reconcile.sandbox.shopify.bodies import Item

__all__ = ["FakeShopify", "Item"]
