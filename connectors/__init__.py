"""Connectors: one file or folder per provider; found by the entry-point group `reconcile.connectors`."""
