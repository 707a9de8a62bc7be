"""From `module:attribute` to what can be called."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconcile.errors import ConfigError
from reconcile.handlers import Handlers, match, name_of, takes_session
from reconcile.targets.text import describe, one_paragraph

_REFERENCE = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
)


@dataclass(frozen=True, slots=True)
class Route:
    """What takes one topic: called with the event, and with a session if it takes one."""

    call: Callable[..., Any]
    takes_session: bool


class LoadedHandler:
    """A resolved handler. `topics` are those taken, wildcards included, None for a callable that takes all.

    `takes_session` says whether any of its functions does.
    """

    def __init__(self, call: Callable[..., Any] | Handlers) -> None:
        self.call = call
        self.topics = call.topics_taken() if isinstance(call, Handlers) else None
        functions = call.functions() if isinstance(call, Handlers) else (call,)
        self._routes = {function: Route(function, takes_session(function)) for function in functions}
        self.takes_session = any(route.takes_session for route in self._routes.values())

    def route(self, topic: str) -> Route | None:
        """What takes `topic`, None if nothing does."""
        function = self.call.find(topic) if isinstance(self.call, Handlers) else self.call
        return None if function is None else self._routes[function]


def load_handler(reference: str, folder: Path | None = None) -> LoadedHandler:
    """Import what `reference` names, with `folder` importable (after everything else on `sys.path`).

    Raises `ConfigError` that says which module failed, with the original message, and what to do.
    """
    if not _REFERENCE.fullmatch(reference):
        raise ConfigError(f"handler {one_paragraph(reference)!r} is not of the form package.module:attribute")
    if folder is not None:
        make_importable(folder)
    found = _attribute(reference)
    if not callable(found) and not isinstance(found, Handlers):
        raise ConfigError(f"handler {reference} is {type(found).__name__}; it must be a function or a Handlers")
    if isinstance(found, Handlers) and not found.topics_taken():
        raise ConfigError(f"handler {reference} takes no topic; is the module imported that registers its functions?")
    try:
        return LoadedHandler(found)
    except ConfigError as error:
        raise ConfigError(f"handler {reference}: {error}") from None


def make_importable(folder: Path) -> None:
    """Append `folder` to `sys.path`: never in front, where a folder named like one of our packages would hide it."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.append(path)


def topics_nobody_takes(taken: Iterable[str] | None, wanted: Iterable[str]) -> tuple[str, ...]:
    """Those of `wanted` that `taken` (None: everything) leaves without a handler."""
    if taken is None:
        return ()
    known = frozenset(taken)
    return tuple(topic for topic in wanted if match(topic, known) is None)


def _attribute(reference: str) -> Any:
    module, _, path = reference.partition(":")
    found: Any = _import(module, reference)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigError(f"handler {reference}: {_title(found)} has no {name!r}") from None
    return found


def _title(found: Any) -> str:
    return f"module {found.__name__}" if isinstance(found, type(sys)) else name_of(found)


def _import(module: str, reference: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            raise ConfigError(
                f"handler {reference}: there is no module {error.name!r}; put it beside the configuration file, "
                "or install the application into the environment that runs reconcile"
            ) from None
        raise ConfigError(_failed(module, reference, error)) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an application's module raises when imported
        raise ConfigError(_failed(module, reference, error)) from None


def _failed(module: str, reference: str, error: BaseException) -> str:
    return one_paragraph(f"handler {reference}: importing {module} failed: {describe(error)}")
