"""Subscriptions recorded as ours, and the secrets their providers gave us."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nothing yet."""
