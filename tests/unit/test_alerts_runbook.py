"""The runbook: a page for each kind of incident, and commands that exist."""

from __future__ import annotations

import shlex

import pytest
from support.docs import ROOT, blocks
from typer.main import get_command

from reconcile.alerts.kinds import KINDS
from reconcile.cli.app import COMMANDS, application
from reconcile.model import IncidentKind

RUNBOOK = ROOT / "docs/runbook"
#: What an operator does besides answering mails.
UPKEEP = {"mail.md", "outage.md", "postgresql.md", "restore.md", "secrets.md", "upgrade.md"}
PAGES = sorted(page.name for page in RUNBOOK.glob("*.md") if page.name != "README.md")
TREE = get_command(application(COMMANDS))


def check(line):
    """Walk to the command a line names; every option of it must be one the command has."""
    program, *words = shlex.split(line)
    assert program == "reconcile"
    command = TREE
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, line
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    required = sum(one.required for one in arguments)
    given = [word for word in words if not word.startswith("--")]
    assert len(given) >= required, line


def test_every_kind_has_its_page_and_its_words():
    """A mail names a page; it is there, and the list of pages names it."""
    assert {f"{kind}.md" for kind in IncidentKind} | UPKEEP == set(PAGES)
    assert set(KINDS) == set(IncidentKind)
    index = (RUNBOOK / "README.md").read_text()
    assert all(f"]({page})" in index for page in PAGES)


def test_the_guide_explains_every_kind():
    """Whoever sets mails up learns what they will be about."""
    guide = (ROOT / "docs/how-to/alerts.md").read_text()
    assert {kind for kind in IncidentKind if f"| `{kind}` |" not in guide} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_exists(page):
    """No page sends anyone to a command or option there is not."""
    ((_, text),) = blocks(RUNBOOK / page, "sh")
    for line in text.splitlines():
        check(line)


@pytest.mark.parametrize("kind", IncidentKind)
def test_every_command_of_a_mail_exists(kind):
    """What a digest tells to do for many incidents at once can be done."""
    check(KINDS[kind].command.format(source="shop"))
