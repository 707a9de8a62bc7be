"""Every installed connector keeps the contract: nobody can forget to try one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from reconcile.connector.finding import connector_names
from reconcile.testing import ConnectorContract


def _tried() -> dict[str, type[ConnectorContract]]:
    """The contract classes in the `test_connector_*.py` beside this file, by connector."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("test_connector_*.py")):
        spec = importlib.util.spec_from_file_location(f"enumerated_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        classes = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, ConnectorContract)]
        found |= {one.name: one for one in classes if one is not ConnectorContract}
    return found


@pytest.mark.parametrize("name", connector_names())
def test_every_installed_connector_is_tried(name: str) -> None:
    """A connector found by entry point has a contract class in `tests/contract/test_connector_<name>.py`."""
    assert name in _tried(), f"write tests/contract/test_connector_{name}.py: a subclass of ConnectorContract"


def test_there_are_connectors() -> None:
    """An empty enumeration would prove nothing."""
    assert connector_names()


def test_nothing_of_the_contract_is_taken_out() -> None:
    """No contract class redefines or removes one of the contract's tests."""
    for name, one in _tried().items():
        redefined = [test for test in vars(one) if test.startswith("test_") and hasattr(ConnectorContract, test)]
        assert not redefined, name
