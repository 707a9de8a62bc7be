"""JSON with lone surrogates is read, and nothing else is changed by that."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.surrogates import decode, mended

ANY = msgspec.json.Decoder()


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\ud800\udbff\udc00\udfff\\u"))))
def test_any_text_that_json_can_carry_is_decoded(value):
    """H6, C9: whatever half characters a body has, it is read, as what Python's own lenient reader makes of it."""
    body = json.dumps({"note": value}).encode()
    expected = json.loads(body)["note"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert decode(ANY, body)["note"] == expected


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (rb'"a\ud83db"', rb'"a\ufffdb"'),
        (rb'"\udc00"', rb'"\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
    ],
)
def test_only_lone_surrogates_are_replaced(body, after):
    """Pairs and escaped backslashes stay as they are, and the length with them."""
    assert mended(body) == after
    assert len(mended(body)) == len(body)


def test_other_broken_json_stays_an_error():
    """C9: mending is for surrogates alone."""
    with pytest.raises(msgspec.DecodeError):
        decode(ANY, rb'{"a": "\ud83d"')
