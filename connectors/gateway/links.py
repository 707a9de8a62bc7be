"""The `Link` header (RFC 8288): which of its URLs is the next page.

A link that is overlooked ends a list early without a word, so it is read as the RFC writes it and not as most providers
do: names in any case, spaces around `=`, commas and semicolons within quotes, several relations in one `rel`.
"""

from __future__ import annotations

import re

# Possessive throughout: a header of nothing but spaces takes no longer than any other.
_PARAM = r"""\s*+;\s*+([^\s=;,"<>]*+)\s*+(?:=\s*+("(?:[^"\\]|\\.)*+"|[^\s;,"]*+))?+"""
_LINK = re.compile(rf"<([^<>]*+)>((?:{_PARAM})*+)")
_EACH = re.compile(_PARAM)


def next_link(header: str) -> str | None:
    """The URL whose relation is `next`, None if there is none."""
    return next((link[1] for link in _LINK.finditer(header) if "next" in _relations(link[2])), None)


def _relations(params: str) -> list[str]:
    """Of the first `rel`: the RFC passes over those that follow it."""
    rels = (value for name, value in _EACH.findall(params) if name.lower() == "rel")
    return next(rels, "").strip("\"'").lower().split()
