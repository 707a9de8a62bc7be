"""What pydantic found, said about the file: our words, the right line, the nearest known key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconcile.config import handler, model
from reconcile.config.alerts import AlertsConfig, EscalationConfig, SilenceConfig
from reconcile.config.errors import Problems
from reconcile.config.node import Node

_SAID = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
_WANTS_MAPPING = ("dict_type", "model_type", "model_attributes_type")
_SHOULD = re.compile(r"^\w+ should ")
_SECTIONS: dict[str, type[BaseModel]] = {
    "defaults": model.Tuning,
    "http": model.HttpConfig,
    "webhook": model.WebhookConfig,
    "handler": handler.HttpHandler,
    "recorded": handler.RecordedQuery,
    "alerts": AlertsConfig,
    "escalate": EscalationConfig,
    "silence": SilenceConfig,
    "schedules": model.ScheduleConfig,
}


def keys_of(kind: type[BaseModel]) -> tuple[str, ...]:
    """The keys an operator may write for a model."""
    return tuple(field.alias or name for name, field in kind.model_fields.items())


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say of a key that is none."""
    known = list(known)
    near = get_close_matches(key, known, n=1)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    return f"unknown key; there are: {', '.join(known)}" if known else "unknown key"


def message_of(error: ErrorDetails) -> str:
    """What one error says, without the value."""
    context = error.get("ctx", {})
    if "reason" in context:
        return str(context["reason"])
    if error["type"] in {"value_error", "assertion_error"}:
        return str(context["error"])
    if context.get("min_length") == 1:
        return "must not be empty"
    if error["type"] in _SAID:
        return _SAID[error["type"]].format(**context).replace("'", "")
    return _SHOULD.sub("must ", error["msg"])


def is_ours(error: ErrorDetails) -> bool:
    """Whether the message is one of ours, which never holds any of the value."""
    return error["type"] in {*_SAID, "missing", "extra_forbidden", "told"}


def report(found: ValidationError, root: Node, problems: Problems, known: Iterable[str] = ()) -> None:
    """Every error of validating `root`, each at its own node. `known` are the keys `root` may have."""
    for error in found.errors(include_url=False, include_input=False):
        report_one(error, root, problems, known if len(error["loc"]) == 1 else ())


def report_one(
    error: ErrorDetails, root: Node, problems: Problems, known: Iterable[str] = (), message: str = ""
) -> None:
    """One error of validating `root`, said as `message` if given; `known` are the keys there may be at its place."""
    loc = error["loc"]
    node = root.find(loc)
    if error["type"] == "missing":
        problems.missing(node, loc[-1])
    elif error["type"] == "extra_forbidden":
        section = next((_SECTIONS[str(key)] for key in reversed(loc[:-1]) if key in _SECTIONS), None)
        candidates = known or (keys_of(section) if section else ())
        problems.add(node, unknown_key(str(loc[-1]), candidates), at_key=True, show=False)
    else:
        place = error.get("ctx", {}).get("place")
        node = node if place is None else node.find((place,))
        problems.add(node, message or message_of(error), show=_is_telling(error, node))


def _is_telling(error: ErrorDetails, node: Node) -> bool:
    """Whether what was given helps: a list where text belongs, but not text, perhaps a secret, for a whole section."""
    if isinstance(node.value, dict | tuple):
        return error["type"].endswith("_type")
    return error["type"] not in _WANTS_MAPPING
