"""A connector's own keys, validated by its `Settings`.

Those classes are anybody's, and so are their messages: one may repeat a token it refuses. So a message that is
not ours is only passed on if it stays the same when every guarded value is another one.

A `Settings` with a field named as a common key is given that key too: `base_url` whole, of `webhook` what is not the
core's own, so that a connector may keep keys of its own there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic.types import Secret
from pydantic_core import ErrorDetails

from reconcile.config import invalid, model
from reconcile.config.errors import Problems, names_a_secret
from reconcile.config.node import Node

COMMON = tuple(key for key in invalid.keys_of(model.SourceConfig) if key not in {"name", "settings"})

_STAND_IN = "stand-in"


def may_show(kind: type[BaseModel], below: tuple[str | int, ...]) -> bool:
    """Whether what stands at a path of a connector's own keys is of a plain type and an innocent name."""
    annotation: object = kind
    for key in below:
        if isinstance(key, int):
            continue
        fields = [field for model_ in _models(annotation) for field in (_field(model_, key),) if field is not None]
        if not fields and _models(annotation):
            return False
        annotation = fields[0].annotation if fields else annotation
    return not (_may_hide(annotation) or any(names_a_secret(key) for key in below if isinstance(key, str)))


def _field(kind: type[BaseModel], key: str) -> FieldInfo | None:
    return next((field for name, field in kind.model_fields.items() if (field.alias or name) == key), None)


def _models(annotation: object) -> tuple[type[BaseModel], ...]:
    """The models that an annotation names: `X`, `X | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(found for part in get_args(annotation) for found in _models(part))


def _may_hide(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, SecretStr | SecretBytes | Secret):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_may_hide(field.annotation) for field in annotation.model_fields.values())
    return any(_may_hide(part) for part in get_args(annotation))


def common(source: Node, kind: type[BaseModel] | None) -> dict[str, Any]:
    """The common keys of `source`; of `webhook` those only that the connector does not have for its own."""
    found = {key: node for key, node in source.items.items() if key in COMMON}
    if kind is not None and "webhook" in kind.model_fields and "webhook" in found:
        found["webhook"] = _webhook(found["webhook"], ours=True)
    return {key: node.plain() for key, node in found.items()}


def _webhook(node: Node, *, ours: bool) -> Node:
    if not isinstance(node.value, dict):
        return node
    known = invalid.keys_of(model.WebhookConfig)
    return replace(node, value={key: entry for key, entry in node.items.items() if (key in known) == ours})


def _own(source: Node, kind: type[BaseModel]) -> Node:
    """What of `source` is the connector's, at the places where it stands."""
    shared = [key for key in COMMON if key in invalid.keys_of(kind)]
    found = {key: node for key, node in source.items.items() if key not in COMMON or key in shared}
    if "webhook" in found:
        found["webhook"] = _webhook(found["webhook"], ours=False)
    return Node(found, source.path, source.place)


def validate(source: Node, kind: type[BaseModel], problems: Problems) -> BaseModel | None:
    """The connector-specific keys of `source` as an instance of `kind`, or None with the problems said."""
    own = _own(source, kind)
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
    harmless = _messages(kind, _without_guarded(own, problems))
    for error in found.errors(include_url=False, include_input=False):
        said = invalid.message_of(error)
        if own.find(error["loc"]) in empty:
            continue
        if not invalid.is_ours(error) and harmless.get(_identity(error)) != said:
            said = "is not accepted by the connector"
        invalid.report_one(error, own, problems, tuple(_keys_at(kind, error["loc"][:-1])), said)


def _keys_at(kind: type[BaseModel], path: tuple[str | int, ...]) -> Iterator[str]:
    """The keys that may stand at `path` of a source of this connector."""
    models: tuple[type[BaseModel], ...] = (kind,)
    for key in path:
        fields = [_field(one, str(key)) for one in models]
        models = tuple(found for field in fields if field is not None for found in _models(field.annotation))
    if path == ("webhook",):
        yield from invalid.keys_of(model.WebhookConfig)
    own = (key for one in models for key in invalid.keys_of(one))
    yield from own if path else dict.fromkeys((*COMMON, *own))


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
