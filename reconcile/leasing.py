"""Holding a lease for as long as a job works, renewed from beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconcile.context import Context
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger, leases
from reconcile.ledger.leases import Lease


@contextmanager
def holding(context: Context, source: str, job: str) -> Iterator[Lease]:
    """Take the lease on (source, job), keep it renewed, give it back; `Busy` if another runner has it.

    A renewal that fails is not fatal here: every write under the lease checks its fence in its own commit.
    """
    with context.ledger.write() as tx:
        lease = leases.acquire(tx, source, job, context.holder)
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(context.ledger, lease, done), name=f"lease {source}", daemon=True)
    if context.threads:
        keeper.start()
    try:
        yield lease
    finally:
        done.set()
        if context.threads:
            keeper.join()
        with suppress(LedgerError), context.ledger.write() as tx:
            leases.release(tx, lease)


def _keep(ledger: Ledger, lease: Lease, done: threading.Event) -> None:
    while not done.wait(leases.RENEW_EVERY.total_seconds()):
        with suppress(LedgerError), ledger.write() as tx:
            leases.renew(tx, lease)
