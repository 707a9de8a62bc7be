"""Honest fake providers: for the demo, the tests and the simulator.

A fake refuses what the real provider refuses, forgets what it forgets and hides what it hides. Each has a `truth`
(what really happened, in order), methods that make things happen, and `handle(request) -> response`, which goes
behind `httpx.MockTransport` in one process or behind `sandbox.server.serve` on loopback.
"""

from reconcile.sandbox.clock import JoiningClock, SettableClock
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.world import make_history

__all__ = ["FakeShopify", "FakeStripe", "JoiningClock", "SettableClock", "make_history", "serve"]
