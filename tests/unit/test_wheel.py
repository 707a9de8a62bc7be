"""What is installed: the three packages, whole, and nothing that only development needs."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
PACKAGES = ("reconcile", "jobs", "connectors")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel as it would be uploaded, opened."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    with ZipFile(built) as opened:
        yield opened


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel):
    """No `tests` that would shadow an app's own; no template, migration or type marker is forgotten."""
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == there
    assert {"reconcile/py.typed", "reconcile/config/starter.yaml", "reconcile/alerts/templates/digest.html"} <= there


def test_the_wheel_brings_the_command_the_entry_points_and_the_licence(wheel):
    """Connectors and jobs are found by the same road as a third party's."""
    (entries,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    text = wheel.read(entries).decode()
    assert "reconcile = reconcile.cli:main" in text
    assert {"[console_scripts]", "[reconcile.connectors]", "[reconcile.jobs]"} <= set(text.splitlines())
    assert [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
