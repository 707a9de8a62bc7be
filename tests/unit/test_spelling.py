"""Hiding what is secret in text of others: all of it, nothing else, and at once (X1, X5)."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from reconcile.spelling import hide

SECRET = "hush_dummy/7f3a+9c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing here", "nothing here"),
        (f"a {SECRET} b", "a *** b"),
        (f"{SECRET}{SECRET}", "******"),
        (f"a {quote(SECRET, safe='')} b", "a *** b"),
        ("a  hush_dummy\n          /7f3a\u200b+9c \n b", "a  *** \n b"),
        ("hush_dummy/7f3a", "hush_dummy/7f3a"),
    ],
)
def test_what_is_hidden_is_the_secret_and_no_more(text, shown):
    """X1: every spelling of it goes, also broken over lines; what stands around it stays to the letter."""
    assert hide(text, [SECRET], 8) == shown


def test_values_that_overlap_leave_no_rest():
    """X1: of two that share letters both go whole, whichever is looked for first."""
    assert hide("x abcdefghijkl y", ["abcdefgh", "efghijkl"], 8) == "x *** y"
    assert hide("x abcdefghijkl y", ["abcdefghijkl", "cdefghij"], 8) == "x *** y"


def test_short_values_are_words():
    """A word that happens to be somebody's value does not vanish from every message."""
    assert hide("an order of 2024", ["order", "2024", ""], 8) == "an order of 2024"


def test_long_values_cost_nothing():
    """X5: a cursor or a hundred ids, others in each request, are hidden while nobody waits for it."""
    values = [
        ",".join(str(number + place) for place in range(200)) for number in range(450_000_000_000, 450_000_000_020)
    ]
    began = time.monotonic()
    assert hide(f"cannot read {values[7]}", values, 8) == "cannot read ***"
    assert time.monotonic() - began < 1
