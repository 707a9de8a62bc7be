"""What every section of the configuration is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationInfo

from reconcile.config import fields as kinds


class Frozen(BaseModel):
    """A section: it never changes, refuses keys it does not know, and shows no value in its own errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True)


def known_sources(names: tuple[str, ...], info: ValidationInfo) -> None:
    """Raise, at its own place, for the first of `names` that is no source."""
    known = (info.context or {}).get("sources", names)
    for place, name in enumerate(names):
        if name not in known:
            raise kinds.problem_at(place, f"must be a source; there are: {', '.join(known) or 'none'}")
