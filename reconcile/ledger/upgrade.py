"""Which schema a ledger has, and bringing it to the one this code needs.

Every revision runs in one transaction, so that a crash leaves the ledger as it was and the upgrade is run again.
"""

from __future__ import annotations

from importlib import import_module

from sqlalchemy import Connection, inspect, text

from reconcile.errors import LedgerError

VERSION_TABLE = "reconcile_version"
#: Every revision of `migrations/versions`, oldest first; a test compares them.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
_LOCK = 7_237_911_642_001  # any number, the same everywhere: two processes must not upgrade one database at once


def revision(connection: Connection) -> str:
    """The revision of the ledger's schema, "" if it has no tables yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    return connection.execute(text(f"select version_num from {VERSION_TABLE}")).scalar() or ""


def check(found: str) -> None:
    """Raise `LedgerError` unless `found` is the schema this code was written for."""
    newest = REVISIONS[-1]
    if found and found not in REVISIONS:
        raise LedgerError(
            f"ledger: its schema ({found}) is newer than this program's ({newest}); nothing was changed:"
            " install the release that wrote it"
        )
    if found != newest:
        raise LedgerError(
            f"ledger: its schema ({found or 'none'}) is older than this program's ({newest}); nothing was changed:"
            " run `reconcile db upgrade`"
        )


def upgrade(connection: Connection) -> tuple[str, str]:
    """Run what is lacking, within the caller's write transaction; (revision before, revision now)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    found = revision(connection)
    if found not in ("", *REVISIONS):
        check(found)
    if found != REVISIONS[-1]:
        # Loading alembic takes a quarter of a second, and only the first start and an upgrade need it.
        import_module("reconcile.ledger.migrate").run(connection)
    return found, REVISIONS[-1]
