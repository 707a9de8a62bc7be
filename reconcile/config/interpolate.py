"""`${NAME}` and `${NAME:-default}` in parsed strings, never in the text of the file.

So nothing in a variable can add a key, close a quote or start a comment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)(?P<closed>\})?")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class Substituted(str):
    """Text in which a variable was replaced: it may stand for a number, as a variable has no other type."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Result:
    """`text` after replacement, whether the environment had part in it, and what could not be replaced."""

    text: str
    from_env: bool = False
    problems: tuple[str, ...] = ()


def interpolate(text: str, env: Mapping[str, str]) -> Result:
    """Replace every variable in `text`; `$${` is a literal `${`. A default stands in for unset and empty."""
    pieces: list[str] = []
    problems: list[str] = []
    from_env, end = False, 0
    for token in _TOKEN.finditer(text):
        pieces.append(text[end : token.start()])
        end = token.end()
        try:
            piece, piece_from_env = _value(token, env)
        except ValueError as problem:
            problems.append(str(problem))
        else:
            pieces.append(piece)
            from_env = from_env or piece_from_env
    whole = "".join([*pieces, text[end:]])
    return Result(Substituted(whole) if end else text, from_env, tuple(problems))


def _value(token: re.Match[str], env: Mapping[str, str]) -> tuple[str, bool]:
    """What replaces one token, and whether it is from the environment."""
    if token["body"] is None:
        return "${", False
    if not token["closed"]:
        raise ValueError("${ is not closed by }; write $${ for a literal ${")
    variable = _VARIABLE.fullmatch(token["body"])
    if not variable or "${" in token["body"]:
        raise ValueError("${…} must hold a name, or a name and a plain default: ${NAME:-default}")
    name, default = variable[1], variable[2]
    if env.get(name):
        return env[name], True
    if default is None:
        raise ValueError(f"the environment variable {name} is {'empty' if name in env else 'not set'}")
    return default, False
