"""The contract every connector keeps, as a pytest suite: subclass it, and say how to reach your provider's twin.

    class TestAcme(ConnectorContract):
        name = "acme"
        settings: ClassVar = {"api_key": "key_dummy"}
        secret = "whsec_dummy"

        def worlds(self, clock):
            fake = FakeAcme(clock)
            fake.make_things(101)  # more than a page of them in one second
            yield World(fake.handle, StreamRef("things"), Window(EPOCH, clock.now()), ids=fake.ids())

What a `World` can hold besides (deliveries, a thing that is gone) is proven too. Needs pytest; the runner itself
never imports this package.

    worlds.py      what a connector is tried against: a twin of its provider, and how to reach it
    facts.py       the table a connector states is consistent, its settings refuse and hide what they should
    listing.py     everything is found: ties across pages, split windows, resumed cursors, reading by id (C5, C6)
    answers.py     what is not an answer is never taken for an empty one (C9), and refused credentials are said
    rebuilding.py  what is rebuilt is the fact that a live delivery tells, under the same key (H9)
    receiving.py   signatures: own, forged, rotated, garbled; identity before parsing (X3)
    subscribing.py what was made is listed, an unknown outcome is told as one, nobody's topics are taken (S2, S3, S5)
"""

from __future__ import annotations

import pytest

_PARTS = ("answers", "facts", "listing", "rebuilding", "receiving", "subscribing", "worlds")
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))  # so that failures show both sides

from reconcile.testing import answers, facts, listing, rebuilding, receiving, subscribing  # noqa: E402 - see above
from reconcile.testing.worlds import NOW, Sample, Vector, World  # noqa: E402 - see above

__all__ = ["NOW", "ConnectorContract", "Sample", "Vector", "World"]


class ConnectorContract(
    facts.FactsContract,
    listing.ListingContract,
    answers.AnswersContract,
    rebuilding.RebuildingContract,
    receiving.ReceivingContract,
    subscribing.SubscribingContract,
):
    """All of it. Each world is made afresh for each test, on a clock that only moves when told to."""
