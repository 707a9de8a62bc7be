"""The documentation as data: its blocks, its links, and the tables that are made of the code."""

from __future__ import annotations

import re
from pathlib import Path

from reconcile.connector import Facts, StreamKind

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"])
_BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*?) -->\n+)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, kind: str) -> list[tuple[str, str]]:
    """Every fenced block of `kind` on a page: (the comment just above it, its text)."""
    return [
        (found["mark"] or "", found["text"]) for found in _BLOCK.finditer(page.read_text()) if found["kind"] == kind
    ]


def marked(page: Path, mark: str) -> str:
    """The one block under `<!-- mark -->`, whatever its kind."""
    (text,) = [found["text"] for found in _BLOCK.finditer(page.read_text()) if found["mark"] == mark]
    return text


def table(page: Path, mark: str) -> str:
    """The table under `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n((?:\|.*\n)+)", page.read_text())
    assert found, mark
    return found[1]


def streams_table(facts: Facts) -> str:
    """A provider's streams."""
    rows = [
        f"| `{one.name}` | {one.kind} | {one.filter_by} | {one.page_size} "
        f"| {'for ever' if one.retention is None else f'{one.retention.days} days'} |\n"
        for one in facts.streams
    ]
    return "| stream | kind | by time of | page | remembers |\n|---|---|---|---|---|\n" + "".join(rows)


def topics_table(facts: Facts) -> str:
    """A provider's topics: what brings a lost one back, or why nothing does."""
    logs = [f"log `{one.name}`" for one in facts.streams if one.kind is StreamKind.LOG]
    rows = []
    for one in sorted(facts.topics, key=lambda topic: topic.name):
        listed = [f"list `{one.stream}`"] if one.stream and not one.unrebuildable else []
        rows.append(f"| `{one.name}` | {one.kind} | {', '.join(logs + listed) or 'nothing'} | {one.unrebuildable} |\n")
    return "| topic | occurrence | recovered from | why not from a list |\n|---|---|---|---|\n" + "".join(rows)
