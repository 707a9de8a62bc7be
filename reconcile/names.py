"""Names of others as both databases take them: ids, types and topics that came from a provider or an app. Pure."""

from __future__ import annotations

#: UTF-8 bytes of an id, type or topic: PostgreSQL refuses longer index rows, and three of these make a fact's key.
LONGEST_NAME = 512


def clean(value: str) -> str:
    """Text that both engines take: NUL and lone surrogates, which PostgreSQL refuses, become U+FFFD."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def is_too_long(name: str) -> bool:
    """Whether it is more than `LONGEST_NAME` bytes."""
    return len(name.encode("utf-8", "replace")) > LONGEST_NAME
