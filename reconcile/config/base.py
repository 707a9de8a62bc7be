"""What every section of the configuration is made of."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, ValidationInfo

from reconcile.config import fields as kinds


class Frozen(BaseModel):
    """A section: it never changes, refuses keys it does not know, and shows no value in its own errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True)


def check_sources(named: Iterable[tuple[int | str, str]], info: ValidationInfo) -> None:
    """Raise for the first of `named`, each a place in the value and the name that stands there, that is no source."""
    known = (info.context or {}).get("sources")
    if known is None:  # a section that is made in code and not read from a file
        return
    for place, name in named:
        if name not in known:
            raise kinds.problem_at(place, f"must be a source; there are: {', '.join(known) or 'none'}")
