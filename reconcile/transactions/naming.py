"""What people and apps name a transaction by: an id, where need be its type, and an exact amount."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from reconcile.config import SourceConfig
from reconcile.connector import Connector, ReportsStatus
from reconcile.connector.hooks import subject_of
from reconcile.errors import ConfigError
from reconcile.model import Subject
from reconcile.names import LONGEST_NAME, clean

Amount = int | str | Decimal


def subject(source: SourceConfig, connector: Connector, id_: str, type_: str = "") -> Subject:
    """The subject that `id_` names at a source. Raises `ConfigError` if that cannot be told.

    A connector may tell by the id alone (its hook `subject_of`); one with a single type needs no hint either.
    """
    if not isinstance(connector, ReportsStatus):
        raise ConfigError(f"{source.name}: connector {source.connector} reports no status: nothing can be asked there")
    if not id_ or id_ != clean(id_) or len(f"{type_}{id_}".encode()) > LONGEST_NAME:
        raise ConfigError(f"{source.name}: an id is text of at most {LONGEST_NAME} bytes, and not empty")
    types = sorted(connector.facts.terminal_statuses)
    if type_:
        if types and type_ not in types:
            raise ConfigError(f"{source.name}: no type of transaction is called {type_}; there are: {', '.join(types)}")
        return Subject(type_, id_)
    found = subject_of(connector, id_) or (Subject(types[0], id_) if len(types) == 1 else None)
    if found is None:
        raise ConfigError(f"{source.name}: say of which type {clean(id_)} is; there are: {', '.join(types) or 'none'}")
    return found


def amount(given: Amount | None) -> str:
    """An amount as it is kept, "" for none. A float raises `TypeError`, what is no number `ValueError`."""
    if given is None:
        return ""
    if isinstance(given, bool) or not isinstance(given, int | str | Decimal):
        raise TypeError("an amount is an int, a Decimal or their text, never a float: it is compared exactly")
    try:
        exact = Decimal(given)
    except InvalidOperation:
        raise ValueError(f"no amount: {given!r}") from None
    if not exact.is_finite():
        raise ValueError(f"no amount: {given!r}")
    return str(exact)
