"""Foreign text on terminals and in logs."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.safe import safe, safe_block

INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(codec=None)))
def test_nothing_a_terminal_acts_on_comes_through(text):
    """No control, escape, bidi or separator character is left in shown text (X4)."""
    assert not {unicodedata.category(letter) for letter in safe(text)} & INVISIBLE


@given(st.text(st.characters(codec=None)))
def test_a_block_keeps_its_lines_and_nothing_else(text):
    """A body keeps line feeds and tabs; every other control is made visible (X4)."""
    kept = safe_block(text)
    assert not {unicodedata.category(letter) for letter in kept if letter not in "\n\t"} & INVISIBLE
    assert kept.count("\n") == text.count("\n")


@given(st.text(st.characters(exclude_categories=list(INVISIBLE)), max_size=300))
def test_ordinary_text_is_left_alone(text):
    """Names and sentences in any script stay as they are."""
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("invoice\u202egpj.exe", r"invoice\u202egpj.exe"),
        ("a\nb\tc\r", r"a\x0ab\x09c\x0d"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("x\u2028y", r"x\u2028y"),
        ("\x00\x7f", r"\x00\x7f"),
    ],
)
def test_controls_are_shown_by_their_number(text, shown):
    """A reader sees which character it was (X4)."""
    assert safe(text) == shown


def test_long_text_is_cut_and_says_so():
    """A megabyte of error message is no use on a terminal."""
    assert safe("x" * 1000, limit=10) == "x" * 10 + "… (+990 characters)"
