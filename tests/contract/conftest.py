"""What the tests of claims begin with."""

from __future__ import annotations

import pytest
from support.rows import add_event


@pytest.fixture
def add(ledger):
    """Insert events in one commit; their seqs."""

    def add_all(*rows):
        with ledger.write() as tx:
            return [add_event(tx, **row) for row in rows]

    return add_all
