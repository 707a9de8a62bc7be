"""Telling people that a provider refuses our credentials, and that it takes them again.

No state of the ledger shows it, so it is told where it is met; every run that asks meets it anew, so a crash before
the commit only puts it off.
"""

from __future__ import annotations

from contextlib import suppress

from reconcile.context import Context
from reconcile.errors import CredentialsRefused, LedgerError, reason_of
from reconcile.ledger import incidents
from reconcile.model import IncidentKind


def refused(context: Context, source: str, job: str, error: CredentialsRefused) -> None:
    """`job` was refused: an incident of its own, since a token may lack what one job needs and have it for another."""
    with suppress(LedgerError), context.ledger.write() as tx:
        incidents.open_(
            tx,
            source=source,
            kind=IncidentKind.CREDENTIALS,
            key=job,
            summary=f"{job} was refused: {reason_of(source, error)}",
            command=incidents.command("check"),
        )


def accepted(context: Context, source: str, job: str) -> None:
    """`job` was let in. Writes only if it was refused before."""
    with suppress(LedgerError):
        with context.ledger.read() as tx:
            known = (source, job) in incidents.open_keys(tx, IncidentKind.CREDENTIALS)
        if known:
            with context.ledger.write() as tx:
                note = "the provider takes the credentials again"
                incidents.close(tx, source=source, kind=IncidentKind.CREDENTIALS, key=job, note=note)
