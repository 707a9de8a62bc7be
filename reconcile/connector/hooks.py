"""Hooks a connector may have besides its capabilities: small things that the core goes on without."""

from __future__ import annotations

from collections.abc import Callable

from reconcile.connector.capabilities import Connector
from reconcile.http import Answer, ProviderClient
from reconcile.model import Subject


def pace_of(connector: Connector) -> Callable[[Answer], float] | None:
    """The seconds everybody should wait by an answer's own headers: a connector's hook `pace`, None without it."""
    found: Callable[[Answer], float] | None = getattr(connector, "pace", None)
    return found


def refresh_of(connector: Connector) -> Callable[[ProviderClient], bool] | None:
    """Renews credentials after a 401 and says whether it did: a connector's hook `refresh`, None without it."""
    found: Callable[[ProviderClient], bool] | None = getattr(connector, "refresh", None)
    return found


def subject_of(connector: Connector, id_: str) -> Subject | None:
    """The subject that an id alone names, None if that cannot be told: a connector's hook `subject_of`."""
    hook: Callable[[str], Subject | None] | None = getattr(connector, "subject_of", None)
    return hook(id_) if hook else None


def is_unsigned(connector: Connector) -> bool:
    """Whether its deliveries carry nothing that a secret verifies: a connector's hook `unsigned`, if it has one."""
    return bool(getattr(connector, "unsigned", False))


def counts_in_minor_units(connector: object) -> bool:
    """Whether its amounts are whole numbers of the currency's smallest unit: a connector's hook `minor_units`."""
    return bool(getattr(connector, "minor_units", False))


def hands_out_secrets(connector: object) -> bool:
    """Whether making a subscription answers with a secret that is shown once: a connector's hook of that name."""
    return bool(getattr(connector, "hands_out_secrets", False))


def known_topics(connector: object) -> tuple[str, ...]:
    """Every topic its provider has, as far as that is known: a connector's hook of that name; () if nobody can say."""
    return tuple(getattr(connector, "known_topics", ()))
