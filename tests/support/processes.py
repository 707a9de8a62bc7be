"""Real processes in tests: marked, so that nobody of them can hide."""

from __future__ import annotations

from pathlib import Path

MARK = "RECONCILE_TEST_MARK"


def marked(value: str) -> list[int]:
    """Every process that has `MARK=value` in its environment: what was started with it, and all it started."""
    wanted = f"{MARK}={value}".encode()
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if wanted in _environment(folder)]


def _environment(folder: Path) -> list[bytes]:
    try:
        return (folder / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or belongs to somebody else
        return []
