"""The commented `schedules.yaml` that `reconcile init` writes."""

from __future__ import annotations

from importlib.resources import files


def starter() -> str:
    """The text of a first configuration: one source, found out about and left alone until a handler is named."""
    return files("reconcile.config").joinpath("starter.yaml").read_text(encoding="utf-8")
