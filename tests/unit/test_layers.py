"""The import rules of the layout, executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("reconcile", "jobs", "connectors")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PURE = {"windows": {"model"}, "ladder": {"model"}, "diff": {"model"}, "topics": set(), "model": set()}
#: These wait for a library, a file or a socket of this machine, which know no other time.
REAL_TIME = {"reconcile.clock", "reconcile.scheduling", "reconcile.ledger.sqlite", "reconcile.ledger.patience"}
CLOCKS = {
    *("datetime.now", "datetime.utcnow", "date.today", "time.time", "time.monotonic", "time.sleep"),
    *("time.perf_counter", "time.time_ns", "time.monotonic_ns"),
}
PROVIDER = re.compile("shopify|stripe", re.IGNORECASE)
DATABASE = {"sqlmodel", "sqlalchemy", "alembic", "psycopg"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


CORE = [path for path in FILES if module(path).startswith("reconcile") and "sandbox" not in path.parts]


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_go_one_way_through_the_house(path):
    """Connectors and jobs import the core and never each other; the core names neither; nothing imports the CLI."""
    name = module(path)
    top = name.partition(".")[0]
    forbidden = {other for other in PACKAGES if other not in (top, "reconcile")}
    for what in imported(path):
        assert what.partition(".")[0] not in forbidden, f"{name} imports {what}"
        if not name.startswith("reconcile.cli"):
            assert not what.startswith("reconcile.cli"), f"{name} imports {what}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_only_the_ledger_talks_to_databases_and_only_scheduling_to_apscheduler(path):
    """A library with traps has one door each."""
    name = module(path)
    for what in imported(path):
        top = what.partition(".")[0]
        if not name.startswith("reconcile.ledger"):
            assert top not in DATABASE, f"{name} imports {what}"
        if name != "reconcile.scheduling":
            assert top != "apscheduler", f"{name} imports {what}"


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_import_only_the_model(name):
    """What is property-tested has no I/O to hide behind."""
    for what in imported(ROOT / "reconcile" / f"{name}.py"):
        if what.startswith("reconcile."):
            assert what.split(".")[1] in PURE[name], f"{name} imports {what}"


@pytest.mark.parametrize("path", CORE, ids=module)
def test_the_core_names_no_provider(path):
    """What it does for one it does for any: nothing but the sandbox has a provider's name in its code."""
    tree = ast.parse(path.read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings may give examples
    for node in ast.walk(tree):
        names = [getattr(node, field, None) for field in ("id", "attr", "name", "arg")]
        names += [node.value] if isinstance(node, ast.Constant) and id(node) not in told else []
        named = [name for name in names if isinstance(name, str) and PROVIDER.search(name)]
        assert not named, f"{module(path)} names {named}"


@pytest.mark.parametrize("path", [path for path in FILES if module(path) not in REAL_TIME], ids=module)
def test_what_time_it_is_is_asked_in_one_place(path):
    """A history can be simulated only if nothing looks at this machine's clock behind the injected one's back."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in CLOCKS:
            pytest.fail(f"{module(path)}:{node.lineno} asks {ast.unparse(node)}")


def test_nothing_pickles():
    """A database must never be able to run code."""
    for path in FILES:
        assert not {"pickle", "shelve", "marshal"} & set(imported(path)), module(path)


def test_no_import_hides_inside_a_function():
    """A cycle is mended, not dodged."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = [n.lineno for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                assert not inner, f"{module(path)}:{inner}"


def test_no_file_is_longer_than_four_hundred_lines():
    """A file that long holds two rooms."""
    long = {module(path): lines for path in FILES if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


def test_a_package_that_lists_its_modules_lists_each():
    """A table of contents that lacks a chapter misleads: whoever adds or removes a module says so at the door."""
    for path in FILES:
        listed = set(re.findall(r"\b(\w+)\.py\b", ast.get_docstring(ast.parse(path.read_text())) or ""))
        if path.name == "__init__.py" and listed:
            assert listed == {one.stem for one in path.parent.glob("*.py")} - {"__init__"}, module(path)


def test_the_page_on_the_layout_names_every_package():
    """Whoever inherits this finds a thing by one page: each package of the core is on it, and nothing that is gone."""
    page = (ROOT / "docs/explanation/layout.md").read_text()
    named = set(re.findall(r"`(reconcile/\w+(?:\.py)?)`", page))
    packages = {f"reconcile/{path.parent.name}" for path in (ROOT / "reconcile").glob("*/__init__.py")}
    assert packages <= named
    assert [one for one in named if not (ROOT / one).exists()] == []
