"""Finds webhook events a service lost, runs them through its own handlers once, and proves what is complete."""

from reconcile.handlers import Handlers
from reconcile.model import Event

__all__ = ["Event", "Handlers"]
