"""What `--json` prints: the same kinds of values whichever command, and whichever engine, they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from support.cli import SOURCE, shop
from support.rows import add_event
from typer.main import get_command

from reconcile.cli.app import COMMANDS, application
from reconcile.clock import SystemClock
from reconcile.ledger import Ledger, gaps, incidents, transactions
from reconcile.ledger.columns import flags, whole_metadata
from reconcile.model import GapKind, IncidentKind, Subject

#: What each command is asked; one that is not here is asked nothing.
ASKED = {
    "explain": ("order/1",),
    "events list": ("--limit", "1000"),
    "events show": ("1",),
    "gaps show": ("1",),
    "transactions show": ("order/77",),
    "transactions list": ("--state", "all"),
    "run": ("backfill",),
    "baseline": ("--since", "1d"),
}
#: Counts have these names, too.
FLAGS = flags(*whole_metadata().tables.values()) - {"settled", "recorded"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
TIMED = re.compile(r"(.*_)?(at|until|since|start|end|from|horizon|frontier|due)")


def documented(command: Any, name: str = "") -> Iterator[str]:
    """Every command that has `--json`."""
    if hasattr(command, "commands"):
        for word, inner in command.commands.items():
            yield from documented(inner, f"{name} {word}".strip())
    elif any("--json" in parameter.opts for parameter in command.params):
        yield name


def values(document: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the name it stands under, however deep."""
    if isinstance(document, dict):
        for name, inner in document.items():
            yield from values(inner, name)
    elif isinstance(document, list):
        for inner in document:
            yield from values(inner, key)
    else:
        yield key, document


def fill(url: str) -> None:
    """One of everything that can be listed."""
    ledger = Ledger.open(url, SystemClock())
    with ledger.write() as tx:
        seq = add_event(tx, source=SOURCE, state="dead", reconstructed=1, called_at=tx.now, call_took=5, attempts=1)
        gaps.open_(tx, SOURCE, GapKind.DEAD, "evt", reason="poison", seq=seq, subject=Subject("order", "1"))
        transactions.add(tx, SOURCE, Subject("order", "77"), tx.now - timedelta(days=1), {"tracked": 1})
        of_it = {"source": SOURCE, "kind": IncidentKind.DEAD, "key": "evt"}
        incidents.open_(tx, **of_it, summary="dead", third_party=True)
    ledger.close()


@pytest.fixture
def documents(project, ledger_url):
    """What every command that has `--json` prints, by its name."""
    fill(ledger_url)
    with shop(project, orders=1, handler=False):
        path = project.folder / "schedules.yaml"
        path.write_text(path.read_text().replace("sqlite:///reconcile.db", ledger_url))
        names = documented(get_command(application(COMMANDS)))
        yield {name: project.call_json(*name.split(), *ASKED.get(name, ())) for name in names}


def test_every_document_speaks_of_the_same_things_alike(documents):
    """A yes or no is a boolean, an instant is text in UTC or null, and nothing is a Python word in a string."""
    assert {name: one["error"] for name, one in documents.items() if one.get("error")} == {}
    said = [(name, key, value) for name, document in documents.items() for key, value in values(document)]
    assert [one for one in said if one[2] in ("None", "True", "False")] == []
    yes_or_no = [one for one in said if one[1] in FLAGS]
    assert {key for _, key, _ in yes_or_no} >= {"late", "reconstructed", "absorbed", "tracked", "third_party"}
    assert [one for one in yes_or_no if not isinstance(one[2], bool)] == []
    timed = [one for one in said if TIMED.fullmatch(one[1])]
    assert {"events list", "gaps list", "transactions list", "alerts list", "status", "run"} <= {of for of, *_ in timed}
    assert [one for one in timed if one[2] is not None and not INSTANT.fullmatch(str(one[2]))] == []
