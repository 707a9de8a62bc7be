"""How connectors are found: by the entry-point group that a third party's plug-in uses too."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from reconcile.connector.capabilities import Connector
from reconcile.errors import ConfigError

GROUP = "reconcile.connectors"


@cache
def connector_class(name: str) -> type[Connector]:
    """The connector called `name` in the entry-point group; `ConfigError` names those there are."""
    loaded = next((point.load() for point in entry_points(group=GROUP) if point.name == name), None)
    if loaded is None:
        raise ConfigError(f"no connector is called {name!r}; there are: {', '.join(connector_names()) or 'none'}")
    found: type[Connector] = loaded
    return found


def connector_names() -> tuple[str, ...]:
    """Every installed connector's name."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))
