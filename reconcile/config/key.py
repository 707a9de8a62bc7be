"""`$RECONCILE_KEY`: what the signing secrets that a provider hands out are encrypted with in the ledger."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from pydantic import SecretStr

from reconcile.errors import ConfigError

VARIABLE = "RECONCILE_KEY"
_BYTES = 32


def keys(env: Mapping[str, str]) -> tuple[SecretStr, ...]:
    """The keys of the environment, the one that encrypts first; none if the variable is not set or empty.

    Each is 32 bytes in base64, the older ones after a comma while they are replaced. Raises `ConfigError`, which
    never shows what was given.
    """
    given = [part.strip() for part in env.get(VARIABLE, "").split(",")]
    if given == [""]:
        return ()
    if not all(map(_is_key, given)):
        raise ConfigError(
            f"${VARIABLE}: must be {_BYTES} bytes in base64, as `openssl rand -base64 {_BYTES}` prints them; older "
            "keys may follow after a comma"
        )
    return tuple(SecretStr(text.translate(str.maketrans("+/", "-_"))) for text in given)


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)) == _BYTES
    except (binascii.Error, ValueError):
        return False
