"""Numbers and times that no gateway means. Written out, some of them would take minutes, or gigabytes."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from support.gateways import PLAIN

from connectors.gateway import moments
from connectors.gateway.items import Items, parse
from connectors.gateway.settings import GatewaySettings

pytestmark = pytest.mark.timeout(20)

BERLIN = ZoneInfo("Europe/Berlin")
BOMBS = ("1e999990", "-1e999990", "1e999999", "1e-999999999999", "1e999999999999", "1e100000000")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-05:00", *map(Decimal, BOMBS)])
def test_a_time_beyond_all_times_is_no_time(text):
    """C9, X5: what some systems write for none, or a number that would take minutes to write out; said at once."""
    with pytest.raises(ValueError, match="a time"):
        moments.read(text, BERLIN)


@pytest.mark.parametrize("number", BOMBS)
def test_an_amount_of_a_million_digits_is_no_amount(number):
    """X5: thirteen characters of a body must not become gigabytes of zeros, nor half a minute of a receiver."""
    items = Items(GatewaySettings(**PLAIN))
    body = f'{{"reference": "r", "status": "paid", "amount": {number}, "created_at": {number}}}'.encode()
    entry = items.read(parse(body), lenient=True)
    assert (entry.id, entry.amount, entry.created) == ("r", None, None)


@pytest.mark.parametrize(("number", "amount"), [("1e2", "100"), ("12.50", "12.50"), ("0.000", "0.000"), ("0", "0")])
def test_an_amount_with_an_exponent_is_one(number, amount):
    """P4: as exact as it was written."""
    items = Items(GatewaySettings(**PLAIN))
    body = f'{{"reference": "r", "status": "paid", "amount": {number}}}'.encode()
    assert items.read(parse(body)).amount == Decimal(amount)
