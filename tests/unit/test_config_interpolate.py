"""Variables in the configuration's strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.config.interpolate import Substituted, interpolate

ENV = {"A": "one", "B_2": "two", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "result", "from_env"),
    [
        ("plain", "plain", False),
        ("${A}", "one", True),
        ("${A}/${B_2}", "one/two", True),
        ("${NONE:-three}", "three", False),
        ("${EMPTY:-three}", "three", False),
        ("${NONE:-}", "", False),
        ("${A:-three}", "one", True),
        ("${NONE:-a:-b}", "a:-b", False),
        ("${NONE:-sqlite:///a.db}", "sqlite:///a.db", False),
        ("x${NONE:-y}z${A}", "xyzone", True),
        ("$${A}", "${A}", False),
        ("$$${A}", "$${A}", False),
        ("$${${A}", "${one", True),
        ("$A $ {A} }", "$A $ {A} }", False),
    ],
)
def test_a_variable_is_replaced_and_its_origin_known(text, result, from_env):
    """A name is replaced by its value, else by its default; only a value counts as from the environment."""
    found = interpolate(text, ENV)
    assert (found.text, found.from_env, found.problems) == (result, from_env, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${NONE}", "the environment variable NONE is not set"),
        ("${EMPTY}", "the environment variable EMPTY is empty"),
        ("${}", "${…} must hold a name, or a name and a plain default: ${NAME:-default}"),
        ("${A-x}", "${…} must hold a name, or a name and a plain default: ${NAME:-default}"),
        ("${ A }", "${…} must hold a name, or a name and a plain default: ${NAME:-default}"),
        ("${A", "${ is not closed by }; write $${ for a literal ${"),
    ],
)
def test_what_cannot_be_replaced_is_said(text, problem):
    """A variable without a value, or text that only looks like one, is an error and never empty text."""
    assert interpolate(text, ENV).problems == (problem,)


def test_every_missing_variable_of_a_string_is_said():
    """Several missing variables are several problems, not only the first."""
    assert len(interpolate("${ONE} ${A} ${TWO}", ENV).problems) == 2


@given(st.text())
def test_a_value_is_never_read_again(value):
    """What a variable holds is data: a `${…}` in it stays as it is."""
    if value:
        assert interpolate("<${V}>", {"V": value, "A": "no"}).text == f"<{value}>"


@given(st.text().filter(lambda text: "${" not in text))
def test_text_without_a_variable_stays_as_it_is(text):
    """Text without `${` comes back unchanged, and is not taken for text that may stand for a number."""
    found = interpolate(text, ENV)
    assert found.text == text
    assert not isinstance(found.text, Substituted)


@given(st.text())
def test_a_doubled_dollar_writes_any_text(text):
    """Writing `$${` for every `${` gives back any text at all, with no variable read."""
    doubled = text.replace("${", "$${")
    assert interpolate(doubled, {}).text == text
