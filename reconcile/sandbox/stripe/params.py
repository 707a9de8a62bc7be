"""Form-encoded parameters, and the ways Stripe refuses them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import httpx

from reconcile.sandbox.fake import Json, Refusal

DOCS = "https://stripe.com/docs/error-codes"
RANGE = ("gt", "gte", "lt", "lte")
_INDEXED = re.compile(r"(\w+)\[(\d*)\]")
_NESTED = re.compile(r"(\w+)\[(\w+)\]")


def error(
    status: int, message: str, *, code: str = "", param: str = "", kind: str = "invalid_request_error"
) -> Refusal:
    """`{"error": {…}}` as Stripe words it."""
    body: Json = {"message": message, "type": kind}
    if code:
        body |= {"code": code, "doc_url": f"{DOCS}/{code.replace('_', '-')}"}
    if param:
        body["param"] = param
    return Refusal(status, {"error": body})


@dataclass(slots=True)
class Params:
    """`a=1`, `types[]=x` or `types[0]=x` in `lists`, `created[gte]=1` in `nested`."""

    single: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    nested: dict[str, dict[str, str]] = field(default_factory=dict)

    def only(self, *, single: Collection[str] = (), lists: Collection[str] = (), nested: Collection[str] = ()) -> None:
        """400 `parameter_unknown` for anything else. `expand[]` is always accepted, and not acted on."""
        for name in self.single:
            _known(name, name in single)
        for name in self.lists:
            _known(name, name in lists or name == "expand")
        for name in self.nested:
            _known(name, name in nested)

    def boolean(self, name: str) -> bool | None:
        """`true` or `false`; None if it was not given."""
        text = self.single.get(name)
        if text not in {None, "true", "false"}:
            raise error(400, f"Invalid boolean: {text}", code="parameter_invalid_boolean", param=name)
        return None if text is None else text == "true"

    def integer(self, name: str, text: str | None) -> int | None:
        """Whole unix seconds and counts only: `12.5`, `1e9` and dates are refused."""
        if text is None:
            return None
        if not re.fullmatch(r"-?\d+", text):
            raise error(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
        return int(text)

    def bounds(self, name: str) -> dict[str, int]:
        """`name=1` or `name[gte]=1`, by operator; `eq` for the plain one."""
        found = {"eq": self.integer(name, self.single.get(name))}
        for operator, text in self.nested.get(name, {}).items():
            _known(f"{name}[{operator}]", operator in RANGE)
            found[operator] = self.integer(f"{name}[{operator}]", text)
        return {operator: value for operator, value in found.items() if value is not None}


def _known(name: str, known: bool) -> None:  # noqa: FBT001 - reads as a sentence at its three callers
    if not known:
        raise error(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def read(request: httpx.Request) -> Params:
    """Parameters of the query (GET, DELETE) or of the form (POST)."""
    raw = request.content if request.method == "POST" else request.url.query
    return parse(parse_qsl(raw.decode(), keep_blank_values=True))


def parse(pairs: Iterable[tuple[str, str]]) -> Params:
    """Sort pairs by their shape."""
    params = Params()
    for name, value in pairs:
        if match := _INDEXED.fullmatch(name):
            params.lists.setdefault(match[1], []).append(value)
        elif match := _NESTED.fullmatch(name):
            params.nested.setdefault(match[1], {})[match[2]] = value
        else:
            params.single[name] = value
    return params
