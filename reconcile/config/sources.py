"""`sources:` and the `defaults:` under them, each source with the keys of its connector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from reconcile.config import invalid, settings
from reconcile.config.errors import Problems, names_a_secret
from reconcile.config.model import SourceConfig, Tuning, WebhookConfig
from reconcile.config.node import Node, Path
from reconcile.connector import Connector, Facts
from reconcile.errors import ConfigError

Connectors = Callable[[str], type[Connector]]


@runtime_checkable
class ChecksWebhook(Protocol):
    """What a connector may offer that has keys of its own under `webhook:`."""

    def check_webhook(self, webhook: WebhookConfig) -> Iterable[tuple[tuple[str, ...], str]]:
        """What does not fit together there: the path below `webhook` and a message, which never holds a secret."""
        ...


class _Unvalidated(BaseModel):
    """Stands for settings that could not be read, so that the rest of the source is checked all the same."""


def build(root: Node, problems: Problems, connectors: Connectors) -> dict[str, SourceConfig]:
    """Every source that is without fault, by name; what is wrong with the others goes to `problems`."""
    problems.is_private = _privacy({})
    section = root.items.get("sources")
    if section is None:
        problems.missing(root, "sources")
        return {}
    if not isinstance(section.value, dict):
        problems.add(section, "must be a mapping of source names")
    elif not section.value:
        problems.add(section, "must name at least one source", show=False)
    kinds = {name: _connector(node, problems, connectors) for name, node in section.items.items()}
    problems.is_private = _privacy(kinds)
    built = {name: _source(name, node, root, kinds[name], problems) for name, node in section.items.items()}
    return {name: source for name, source in built.items() if source}


def _connector(source: Node, problems: Problems, connectors: Connectors) -> type[Connector] | None:
    """The class of the connector that `source` names, or None with the problem said."""
    node = source.items.get("connector")
    if node is None or node.broken or not isinstance(node.value, str):
        return None
    try:
        return connectors(node.value)
    except ConfigError as error:
        problems.add(node, "is not the name of a connector" if node.from_env else str(error), show=node.from_env)
    except (ImportError, AttributeError) as error:
        problems.add(node, f"cannot be imported: {type(error).__name__}; is its package installed whole?")
    return None


def _privacy(kinds: Mapping[str, type[Connector] | None]) -> Callable[[Path], bool]:
    """Which paths hold what must not be shown: secrets by name or type, and all keys nobody vouches for."""

    def is_private(path: Path) -> bool:
        below = path[2:] if path[:1] == ("sources",) else path
        if any(names_a_secret(key) for key in below if isinstance(key, str)):
            return True
        if path[:1] != ("sources",) or not below or below[0] in settings.COMMON:
            return False
        kind = kinds.get(str(path[1]))
        return kind is None or not settings.may_show(kind.Settings, below)

    return is_private


def _source(name: str, node: Node, root: Node, kind: type[Connector] | None, problems: Problems) -> SourceConfig | None:
    if not isinstance(node.value, dict):
        problems.add(node, "must be a mapping with the key connector", show=False)
        return None
    merged = _with_defaults(node, root.entry("defaults"))
    own = settings.validate(merged, kind.Settings, problems) if kind else None
    common = settings.common(merged, kind.Settings if kind else None)
    try:
        source = SourceConfig.model_validate({**common, "name": name, "settings": own or _Unvalidated()}, by_name=False)
    except ValidationError as found:
        invalid.report(found, merged, problems)
        return None
    if not (kind and own):
        return None
    _check_against(kind, source, merged, problems)
    return source


def _with_defaults(source: Node, defaults: Node) -> Node:
    """The source with what `defaults` says of the keys it lacks; `http` is merged key by key."""
    given = {key: node for key, node in defaults.items.items() if key in Tuning.model_fields}
    merged = {**given, **source.items}
    http, own = given.get("http"), source.items.get("http")
    if http and own and isinstance(own.value, dict):
        merged["http"] = replace(own, value={**http.items, **own.items})
    return replace(source, value=merged)


def _check_against(kind: type[Connector], source: SourceConfig, node: Node, problems: Problems) -> None:
    """The streams a connector does not have, and what does not fit together below `webhook`."""
    connector = kind(source.settings)
    facts = getattr(connector, "facts", None)
    names = [stream.name for stream in facts.streams] if isinstance(facts, Facts) else list(source.streams or ())
    for place, stream in enumerate(source.streams or ()):
        if stream not in names:
            message = f"must be a stream of the connector; there are: {', '.join(names) or 'none'}"
            problems.add(node.find(("streams", place)), message)
    if source.webhook and isinstance(connector, ChecksWebhook):
        for below, message in connector.check_webhook(source.webhook):
            problems.add(node.find(("webhook", *below)), message, show=False)
