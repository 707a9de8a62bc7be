"""Benches for whole runs: an empty one, and what several modules put on it."""

from __future__ import annotations

import pytest
from support.pending import stripe_at
from support.running import a_bench
from support.shops import PAGE

from connectors.shopify import listing


@pytest.fixture
def empty(sqlite_databases, tmp_path):
    """A bench on SQLite, without a source yet."""
    with a_bench(sqlite_databases, tmp_path) as made:
        yield made


@pytest.fixture
def bench(empty):
    """The same; a module's own `bench` may have sources already."""
    return empty


@pytest.fixture
def stripe(bench):
    """An account whose payments, refunds and payouts may be pending."""
    return stripe_at(bench)


@pytest.fixture
def small_pages(monkeypatch):
    """Pages of five orders: several of a window where there would be one."""
    monkeypatch.setattr(listing, "PAGE_SIZE", PAGE)
