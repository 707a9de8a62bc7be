"""The ledger's tables: transactions and the questions asked about them."""

from __future__ import annotations
