"""Small helpers for tests that look into a ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconcile.clock import SystemClock
from reconcile.ledger import Ledger
from reconcile.ledger.ledger import Tx
from reconcile.ledger.process import Holder, process_started

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


def sql(url: str, statement: str) -> list[Any]:
    """The rows of one statement, if it has any, committed; beside whoever uses the ledger."""
    ledger = Ledger.open(url, SystemClock())
    try:
        with ledger.session() as session:
            result = session.connection().exec_driver_sql(statement)
            rows = list(result) if result.returns_rows else []
            session.commit()
            return rows
    finally:
        ledger.close()


def minutes(number: float) -> datetime:
    """That many minutes after noon."""
    return NOON + timedelta(minutes=number)


def later(tx: Tx, seconds: float) -> Tx:
    """The same transaction, as if it had begun later: the database's own clock cannot be moved."""
    return replace(tx, now=tx.now + timedelta(seconds=seconds))


def ended_process() -> Holder:
    """A holder whose process ran on this machine and is gone."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = Holder.me()
    holder = replace(me, name=f"{me.host}:{child.pid}:gone", pid=child.pid, process_started=process_started(child.pid))
    child.communicate(b"\n")
    return holder


def elsewhere() -> Holder:
    """A holder on another machine."""
    return Holder("far:1:x", "far.example", os.getpid(), "boot-1/1")
