"""The ledger's tables: subscriptions recorded as ours, and the secrets their providers gave us."""

from __future__ import annotations
