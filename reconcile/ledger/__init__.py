"""The ledger: events, coverage, gaps, runs. The only package that talks to a database.

Open it with `Ledger.open`; every other module here holds plain functions on a transaction, one noun each.
"""

from reconcile.ledger.ledger import Ledger, Tx

__all__ = ["Ledger", "Tx"]
