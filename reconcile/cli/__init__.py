"""The command line: one module for each group of commands, each command a few lines over the core."""

from reconcile.cli.main import main

__all__ = ["main"]
