"""Files that cannot be read, or not without guessing: what is said of them.

Each case is a text, and then every line that is said of it, whole but for the file's name in front.
"""

from __future__ import annotations

import pytest
from support.config import ENV, VALID, below, in_source, problems_of

BROKEN = {
    "empty file": (
        "",
        ": is empty; `reconcile init` writes one to start from",
    ),
    "only comments": (
        "# nothing\n",
        ": is empty; `reconcile init` writes one to start from",
    ),
    "a list": (
        "- a\n- b\n",
        ":1:1: must be a mapping with the key sources; see `reconcile init`",
    ),
    "text": (
        "hello\n",
        ":1:1: must be a mapping with the key sources; see `reconcile init`",
    ),
    "not UTF-8": (
        b"sources: \xff\xfe\n",
        ": is not UTF-8; save it as UTF-8",
    ),
    "too large": (
        "#" * 1_000_001,
        ": is larger than 1 MB; is it the right file?",
    ),
    "a tab": (
        "sources:\n\tacme: 1\n",
        ":2:1: a tab cannot indent; use spaces",
    ),
    "a tab after a colon": (
        "timezone:\tUTC\n",
        ":1:10: a tab cannot indent; use spaces",
    ),
    "NUL": (
        "timezone: U\0C\n",
        ":1:12: a character YAML does not allow",
    ),
    "unclosed quote": (
        'sources: "abc\n',
        ":2:1: a quote is not closed",
    ),
    "unclosed bracket": (
        "sources: [a\n",
        ":2:1: a ',' or a closing bracket is missing",
    ),
    "bad indent": (
        "sources:\n  a: 1\n b: 2\n",
        ":3:2: the indentation does not fit the lines above",
    ),
    "colon in text": (
        "sources: a: b\n",
        ":1:11: a ':' is not allowed here; check the indentation, or quote the text",
    ),
    "key without colon": (
        "sources:\n  acme\n  b: 1\n",
        ":3:4: a ':' is not allowed here; check the indentation, or quote the text",
    ),
    "at sign": (
        "sources: @x\n",
        ":1:10: text that begins like this must be quoted",
    ),
    "bad escape": (
        'sources: "\\q"\n',
        ":1:12: an unknown escape in double quotes; write \\\\ for a backslash",
    ),
    "escape out of range": (
        'sources: "\\UFFFFFFFF"\n',
        ":1:13: an escape or number out of range",
    ),
    "half surrogate": (
        below('timezone: "\\ud800"'),
        ":6:11 timezone: half of a surrogate pair is not a character (got \\ud800)",
    ),
    "two documents": (
        VALID + "---\n" + VALID,
        ":6:1: a second document; keep one",
    ),
    "alias & anchor": (
        below("timezone: &zone UTC", "ledger: *zone"),
        ":6:11 timezone: an anchor (&) is not allowed; put text that begins with & in quotes",
        ":7:9 ledger: an alias (*) is not allowed; write the value again",
    ),
    "tag": (
        below("timezone: !!str UTC"),
        ":6:11 timezone: a tag (!) is not allowed; put text that begins with ! in quotes",
    ),
    "python tag": (
        below('timezone: !!python/object/apply:os.system ["true"]'),
        ":6:11 timezone: a tag (!) is not allowed; put text that begins with ! in quotes",
    ),
    "merge": (
        below("defaults:", "  <<: {settle: 2m}"),
        ":7:3 defaults: a merge (<<) is not allowed; write the keys out",
    ),
    "too deep": (
        "a: " + "[" * 30 + "]" * 30 + "\n",
        ":1:23: nested deeper than 20 levels",
    ),
    "variable in braces unquoted": (
        VALID + "    webhook: {secret: ${SECRET}, topics: [a/b]}\n",
        ':6:24: inside {} and [] a variable must be quoted: "${NAME}"',
    ),
    "duplicate top": (
        below("timezone: UTC", "timezone: UTC"),
        ":7:1 timezone: is given twice; first in line 6",
    ),
    "duplicate in source": (
        in_source("shop: other.example"),
        ":6:5 sources.acme.shop: is given twice; first in line 4",
    ),
    "duplicate source": (
        VALID + "  acme:\n    connector: pay\n",
        ":6:3 sources.acme: is given twice; first in line 2",
    ),
    "sexagesimal": (
        below("timezone: 12:30:00"),
        ":6:11 timezone: YAML may take this for another number; write plain digits, or put it in quotes (got 12:30:00)",
    ),
    "octal": (
        in_source("pages: 0123"),
        (
            ":6:12 sources.acme.pages: YAML may take this for another number; write plain digits, or put it "
            "in quotes (got 0123)"
        ),
    ),
    "no": (
        in_source("late: no"),
        ":6:11 sources.acme.late: YAML takes this for true or false; write one of them, or put it in quotes (got no)",
    ),
    "yes": (
        in_source('handler: {url: "https://a.example/x", allow_http: yes}'),
        (
            ":6:55 sources.acme.handler.allow_http: YAML takes this for true or false; write one of them, "
            "or put it in quotes (got yes)"
        ),
    ),
    "on key": (
        in_source("on: 1"),
        ":6:5 sources.acme: a key must be text; put it in quotes",
    ),
    "underscore": (
        in_source("valve: 1_000"),
        (
            ":6:12 sources.acme.valve: YAML may take this for another number; write plain digits, or put it "
            "in quotes (got 1_000)"
        ),
    ),
    "date": (
        in_source("note: 2024-01-01"),
        ":6:11 sources.acme.note: YAML takes this for a date; put it in quotes (got 2024-01-01)",
    ),
    "hex": (
        in_source("valve: 0x10"),
        (
            ":6:12 sources.acme.valve: YAML may take this for another number; write plain digits, or put it "
            "in quotes (got 0x10)"
        ),
    ),
    "int key": (
        "sources:\n  1:\n    connector: pay\n",
        ":2:3 sources: a key must be text; put it in quotes",
    ),
    "huge int": (
        in_source("valve: 99999999999999999999999"),
        (
            ":6:12 sources.acme.valve: is too long for a number; put it in quotes if it is text "
            "(got 99999999999999999999999)"
        ),
    ),
    "exponent": (
        in_source("valve: 1.5e+3"),
        (
            ":6:12 sources.acme.valve: YAML may take this for another number; write plain digits, or put it "
            "in quotes (got 1.5e+3)"
        ),
    ),
    "null value": (
        in_source("handler:"),
        ":6:13 sources.acme.handler: is empty; give it a value or leave the key out",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_yaml_is_refused_with_exactly_these_lines(case, tmp_path, monkeypatch):
    """A file YAML cannot read, or could read otherwise than meant, is refused at its line and column."""
    monkeypatch.chdir(tmp_path)
    text, *lines = BROKEN[case]
    assert list(problems_of(text, ENV)) == lines
