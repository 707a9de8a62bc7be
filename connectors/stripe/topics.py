"""From subscribed topics to what the event log is asked to filter by. Pure.

The log takes up to 20 exact names in `types[]`, or one name or `family.*` in `type`, never both. Anything wider is
listed whole and filtered here.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_TYPES = 20


def type_filter(topics: Sequence[str]) -> list[tuple[str, str]]:
    """Query parameters that let every one of `topics` through, and as little else as can be said; `[]` is all."""
    names = sorted(set(topics))
    if not names or "*" in names:
        return []
    if len(names) == 1:
        return [("type", names[0])]
    if len(names) <= MOST_TYPES and not any(name.endswith("*") for name in names):
        return [("types[]", name) for name in names]
    families = {name.partition(".")[0] for name in names}
    return [("type", f"{families.pop()}.*")] if len(families) == 1 else []
