"""A fake Stripe."""

from __future__ import annotations

from reconcile.sandbox.stripe.api import FakeStripe

__all__ = ["FakeStripe"]
