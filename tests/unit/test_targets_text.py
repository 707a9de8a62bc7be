"""Error text that may be stored, shown and mailed."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from reconcile.targets.text import LIMIT, describe, one_paragraph


@given(st.text(max_size=3000))
def test_nothing_that_moves_the_cursor_is_left(text):
    """X4: whatever a handler raises, its text is one short line of visible characters."""
    cleaned = one_paragraph(text)
    assert len(cleaned) <= LIMIT
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cs", "Zl", "Zp"}
    assert not any(c in cleaned for c in "\u202e\u2066\u200f\u061c")
    cleaned.encode()


def test_secrets_are_hidden():
    """X1: configured secrets and the user part of any URL are replaced, longest first."""
    secrets = ["whsec_dummy", "whsec_dummy_longer", "ab"]
    text = one_paragraph("whsec_dummy_longer ab whsec_dummy postgresql://me:pw@db/x", secrets)
    assert text == "*** ab *** postgresql://***@db/x"


def test_secrets_are_hidden_however_they_are_spelled():
    """X1: also as a URL or JSON writes them, broken over lines, and the password of a URL alone."""
    secrets = ["key/dummy+value", "postgresql://app:p%40ss-word@db/app"]
    for said in ("key%2Fdummy%2Bvalue", r"key\/dummy+value", "key/dum\r\n my+value", "p@ss-word", "p%40ss-word"):
        assert one_paragraph(f"refused: {said}.", secrets) == "refused: ***."


def test_text_is_cut():
    """A megabyte of text becomes two thousand characters and says that it was cut."""
    assert one_paragraph("x" * 1_000_000) == "x" * 1999 + "…"


def test_an_exception_is_named_with_its_place():
    """The kind, the text and the line it was raised on are told, without a traceback."""
    with pytest.raises(ValueError, match="bad amount") as caught:
        raise ValueError("bad amount")
    assert describe(caught.value).startswith("ValueError: bad amount (unit/test_targets_text.py:")
    assert describe(KeyError("a")) == "KeyError: 'a'"
    assert describe(SystemExit()) == "SystemExit"


def test_a_database_error_shows_no_values():
    """X1: of a database error the statement and the bound values stay out, also those in the driver's later lines."""
    cause = sqlite3.IntegrityError("UNIQUE failed: customer.email\nDETAIL: Key (email)=(a@b.c)")
    text = describe(IntegrityError("insert into customer values (?)", ("a@b.c",), cause))
    assert text == "IntegrityError: UNIQUE failed: customer.email"


def test_an_exception_that_cannot_be_shown():
    """An exception whose own text fails is told all the same."""

    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError

    assert describe(HostileError()) == "HostileError: (its text cannot be shown)"
