"""The fake providers, for the tests of what they refuse and forget, and an office that gets mail; a test of its own
needs makes its own.
"""

from __future__ import annotations

import pytest
from support.fakes import START
from support.mailing import an_office

from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe


@pytest.fixture
def clock():
    """A clock that moves only when told to."""
    return SettableClock(START)


@pytest.fixture
def shop(clock):
    """A shop without orders."""
    return FakeShopify(clock=clock, seed=1)


@pytest.fixture
def stripe(clock):
    """An account without payments, and without a rate limit."""
    return FakeStripe(clock=clock, seed=1, throttle=False)


@pytest.fixture
def office(tmp_path):
    """Operators, a third party and their mail server; its ledger is SQLite's."""
    with an_office(tmp_path) as office:
        yield office
