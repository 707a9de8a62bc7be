"""What all of the connector's models share."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Frozen, without unknown keys, and silent about values in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def request_path(text: str) -> str:
    """`/path` of the origin, perhaps with a `?query`. Raises `ValueError` for what would lead elsewhere."""
    if not text.startswith("/") or text.startswith("//"):
        raise ValueError("must be a path that begins with one /; the host is base_url")
    if not text.isprintable() or " " in text or "\\" in text or "#" in text:
        raise ValueError("must be a path without spaces, backslashes or #")
    if {".", ".."} & set(urlsplit(text).path.split("/")):
        raise ValueError("must be a path without . and .. in it")
    return text
