"""The ledger's tables: incidents, the mails about them, and who silenced them."""

from __future__ import annotations
