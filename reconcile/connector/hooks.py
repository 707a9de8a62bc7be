"""Hooks a connector may have besides its capabilities: what is true of it, and not a thing it does."""

from __future__ import annotations

from reconcile.connector.capabilities import Connector


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
