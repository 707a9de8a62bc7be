"""Whether `jobs` and `connectors` are ours: a folder of that name in front on `sys.path` would hide them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import reconcile
from reconcile.check.finding import Finding, Level

PACKAGES = ("jobs", "connectors")
AREA = "installation"


def check(home: Path | None = None) -> Iterator[Finding]:
    """One finding, or one for each package that does not lie beside `reconcile`."""
    beside = home or Path(reconcile.__file__).resolve().parent.parent
    wrong = [(name, place) for name in PACKAGES if (place := _place(name)) != beside]
    for name, place in wrong:
        remedy = f"reinstall reconcile, or take {place} off PYTHONPATH" if place else "reinstall reconcile"
        what = f"package {name!r} comes from {place or 'nowhere'}, not from {beside}"
        yield Finding(Level.FAIL, AREA, what, remedy, exit_code=2)
    if not wrong:
        yield Finding(Level.OK, AREA, f"jobs and connectors lie beside reconcile in {beside}")


def _place(name: str) -> Path | None:
    """The folder a package is imported from."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve().parent
