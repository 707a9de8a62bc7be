"""A connector's own keys, validated by its `Settings`.

Those classes are anybody's, and so are their messages: one may repeat a token it refuses. So a message that is
not ours is only passed on if it stays the same when every guarded value is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic.types import Secret
from pydantic_core import ErrorDetails

from reconcile.config import invalid, model
from reconcile.config.errors import Problems, names_a_secret
from reconcile.config.node import Node

COMMON = tuple(key for key in invalid.keys_of(model.SourceConfig) if key not in {"name", "settings"})

_STAND_IN = "stand-in"


def public_keys(settings: type[BaseModel]) -> frozenset[str]:
    """The keys whose values may be shown: those of a plain type and an innocent name."""
    return frozenset(
        field.alias or name
        for name, field in settings.model_fields.items()
        if not (_may_hide(field.annotation) or names_a_secret(name))
    )


def _may_hide(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, SecretStr | SecretBytes | Secret | BaseModel):
        return True
    return any(_may_hide(part) for part in get_args(annotation))


def validate(source: Node, kind: type[BaseModel], problems: Problems) -> BaseModel | None:
    """The connector-specific keys of `source` as an instance of `kind`, or None with the problems said."""
    own = Node({key: node for key, node in source.items.items() if key not in COMMON}, source.path, source.place)
    empty = _empty_secrets(own, problems)
    for node in empty:
        problems.add(node, "must not be empty")
    try:
        settings = kind.model_validate(own.plain())
    except ValidationError as found:
        _report(found, own, empty, kind, problems)
        return None
    return None if empty else settings


def _empty_secrets(own: Node, problems: Problems) -> list[Node]:
    texts = ((node, node.value) for node in own.scalars() if isinstance(node.value, str))
    return [node for node, text in texts if problems.is_private(node.path) and not text.strip()]


def _report(found: ValidationError, own: Node, empty: list[Node], kind: type[BaseModel], problems: Problems) -> None:
    known = (*COMMON, *invalid.keys_of(kind))
    harmless = _messages(kind, _without_guarded(own, problems))
    for error in found.errors(include_url=False, include_input=False):
        said = invalid.message_of(error)
        if own.find(error["loc"]) in empty:
            continue
        if not invalid.is_ours(error) and harmless.get(_identity(error)) != said:
            said = "is not accepted by the connector"
        invalid.report_one(error, own, problems, known, said)


def _without_guarded(node: Node, problems: Problems) -> object:
    """The plain value, with a stand-in for each text that must not be shown."""
    if isinstance(node.value, dict):
        return {key: _without_guarded(entry, problems) for key, entry in node.value.items()}
    if isinstance(node.value, tuple):
        return tuple(_without_guarded(entry, problems) for entry in node.value)
    return _STAND_IN if node.from_env or problems.is_private(node.path) else node.value


def _messages(kind: type[BaseModel], given: object) -> Mapping[tuple[object, ...], str]:
    try:
        kind.model_validate(given)
    except ValidationError as found:
        errors = found.errors(include_url=False, include_input=False)
        return {_identity(error): invalid.message_of(error) for error in errors}
    return {}


def _identity(error: ErrorDetails) -> tuple[object, ...]:
    return error["type"], error["loc"]
