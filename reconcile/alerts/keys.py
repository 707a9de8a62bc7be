"""The keys of incidents that are looked for: those are opened by looking, and closed by it."""

from __future__ import annotations

GAP, STATE = "gap:", "state:"


def is_over(source: str, key: str, found: set[tuple[str, str]], gaps: dict[str, set[int]]) -> bool:
    """Whether a look that found these keys, and these gaps open, saw no more of an incident."""
    if key.startswith(GAP):
        return int(key.removeprefix(GAP)) not in gaps.get(source, set())
    return key.startswith(STATE) and (source, key) not in found
