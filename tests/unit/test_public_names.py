"""What others import: small, documented, and nothing besides."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import getdoc, ismodule
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
PUBLIC = ("reconcile", "reconcile.connector", "reconcile.testing")
NAMES = [(module, name) for module in PUBLIC for name in import_module(module).__all__]


def names_in(module: str) -> set[str]:
    """What a module has to offer of this project's own, private names and modules left out."""
    found = vars(import_module(module)).items()
    return {
        name
        for name, value in found
        if not name.startswith("_") and not ismodule(value) and getattr(value, "__module__", "").startswith("reconcile")
    }


def test_what_an_application_imports():
    """An application needs an event, a registry of handlers, and two functions; nothing else is promised."""
    assert import_module("reconcile").__all__ == ["Event", "Handlers", "receive", "track"]


@pytest.mark.parametrize("module", PUBLIC)
def test_all_is_what_there_is(module):
    """`__all__` lists every public name, sorted as it is read, and each of them is there."""
    listed = import_module(module).__all__
    assert names_in(module) <= set(listed)
    assert len(listed) == len(set(listed))
    assert all(hasattr(import_module(module), name) for name in listed)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_public_name_is_explained(module, name):
    """A docstring where it is defined, and a place in the documentation where it is used."""
    value = getattr(import_module(module), name)
    assert getdoc(value)
    assert re.search(rf"\b{name}\b", DOCS), f"{module}.{name} is in no page of the documentation"
