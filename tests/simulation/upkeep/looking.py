"""What the checkers of upkeep see of the ledger: its rows, read by sqlite3 alone."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

from simulation.records import Records
from simulation.upkeep.world import UpkeepWorld

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What a quiet run must leave as it is. Runs come and go, and so do leases and what was seen when; and a gap that says
#: what a list cannot prove grows with what was read.
STILL = (
    "reconcile_event",
    "reconcile_body",
    "reconcile_alias",
    "reconcile_attempt",
    "reconcile_horizon",
    "reconcile_transaction",
    "reconcile_subscription",
    "reconcile_secret",
    "reconcile_incident",
    "reconcile_notice",
    "reconcile_mail",
    "reconcile_recipient",
)


class Rows(Records):
    """The ledger's rows as they stand now."""

    def __init__(self, world: UpkeepWorld) -> None:
        super().__init__(world)

    def transactions(self) -> dict[tuple[str, str, str], sqlite3.Row]:
        """Every transaction by its name."""
        return {(row["source"], row["type"], row["id"]): row for row in self.query(_TRANSACTIONS)}

    def incidents(self, *, open_only: bool = False) -> list[sqlite3.Row]:
        """Every incident, oldest first."""
        which = "where state = 'open'" if open_only else ""
        return self.query(f"select * from reconcile_incident {which} order by id")

    def open_gaps(self) -> list[sqlite3.Row]:
        """Every gap that is open."""
        return self.query("select * from reconcile_gap where state = 'open'")

    def standing(self) -> str:
        """A fingerprint of what a quiet run leaves alone."""
        gaps = [tuple(row) for row in self.query("select id, source, kind, key, state from reconcile_gap order by id")]
        return f"{self.digest(STILL)} {gaps}"

    def everything(self) -> str:
        """A fingerprint of all of it."""
        tables = self.query("select name from sqlite_master where type = 'table' and name like 'reconcile_%'")
        return self.digest(tuple(row["name"] for row in tables))


_TRANSACTIONS = "select * from reconcile_transaction"


def micros(at: datetime) -> int:
    """An instant as the ledger keeps it."""
    return (at - EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    """The other way round."""
    return EPOCH + timedelta(microseconds=at)
