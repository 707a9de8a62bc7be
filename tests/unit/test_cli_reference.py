"""Every command has its help and its place in the reference."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from reconcile.cli.app import COMMANDS as LISTED
from reconcile.cli.app import application
from reconcile.cli.reports import MEANING

PAGE = (Path(__file__).parents[2] / "docs/reference/commands.md").read_text()
SECTIONS = dict(zip(*[iter(re.split(r"^## `reconcile (.+)`$", PAGE, flags=re.MULTILINE)[1:])] * 2, strict=True))


def leaves(command, name=""):
    """Every command that does something, by its full name."""
    if not hasattr(command, "commands"):
        return {name: command}
    return {
        full: leaf
        for word, inner in command.commands.items()
        for full, leaf in leaves(inner, f"{name} {word}".strip()).items()
    }


TREE = get_command(application(LISTED))
COMMANDS = leaves(TREE)


def spelled(parameter):
    """How a parameter is written: its long option, or its metavar."""
    options = [option for option in parameter.opts if option.startswith("--")]
    return options[0] if options else parameter.metavar


def parameters(command):
    return [parameter for parameter in command.params if parameter.name != "help"]


def test_the_list_of_commands_says_what_each_says_of_itself():
    """Help is the same whether a command's module is loaded or not, and no module has a command it does not list."""
    unloaded = get_command(application([]))
    assert {name: one.get_short_help_str(100) for name, one in unloaded.commands.items()} == {
        name: one.get_short_help_str(100) for name, one in TREE.commands.items()
    }


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--help"], {"sqlalchemy", "httpx", "alembic", "uvicorn", "rich.progress"}),
        (["status", "--help"], {"alembic", "uvicorn", "reconcile.sandbox", "reconcile.cli.bars", "jobs", "connectors"}),
        (["run", "--help"], {"alembic", "uvicorn", "reconcile.sandbox", "reconcile.cli.bars"}),
    ],
)
def test_a_command_loads_only_what_it_needs(words, unwanted):
    """Whoever only looks does not wait for what only others need."""
    code = f"import sys; from reconcile.cli import main; main({words}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: reconcile")
    assert not unwanted & set(done.stderr.split())


def test_every_command_is_documented():
    """The reference has a section for each command, and none for what does not exist."""
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name):
    """A command's section has a row for each of its arguments and options, and for no other."""
    rows = re.findall(r"^\| `([^`]+)` \|", SECTIONS[name], flags=re.MULTILINE)
    assert [row.split()[0] for row in rows] == [spelled(parameter) for parameter in parameters(COMMANDS[name])]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(name):
    """Help is never empty, and a command's first sentence fits the list of commands."""
    command = COMMANDS[name]
    assert len(command.get_short_help_str(limit=60)) > 10
    assert not command.get_short_help_str(limit=60).endswith("...")
    assert all(parameter.help for parameter in parameters(command))


def test_global_options_are_documented():
    """The options that stand before the command are in the reference's first table."""
    for parameter in TREE.params:
        assert f"`{spelled(parameter)}" in PAGE


def test_every_exit_code_is_documented():
    """The table of exit codes has every code a report can end in."""
    codes = re.findall(r"^\| ([0-9, ]+) \|", PAGE, flags=re.MULTILINE)
    assert {int(code) for row in codes for code in row.split(",")} == set(MEANING)
