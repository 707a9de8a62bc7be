"""How an application says which of its functions takes which topic.

    handlers = Handlers()

    @handlers.on("orders/create", "orders/updated")
    def save_order(event: Event, session) -> None: ...

A topic is written out, or ends in `*`: `charge.*` takes every topic that begins with `charge.`, `*` takes all.
The most exact one wins: written out, then the longest beginning.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from reconcile.errors import ConfigError

Function = TypeVar("Function", bound=Callable[..., Any])

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Handlers:
    """The handlers of an application, by topic: what `handler: module:attribute` may name."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}

    def on(self, *topics: str) -> Callable[[Function], Function]:
        """Register the decorated function, of one argument (event) or two (event, session), for `topics`.

        Raises `ConfigError` for a topic that is taken already, for one that is not text or has a `*` other than
        at its end, and for a function that cannot be called so.
        """
        _check_topics(topics)

        def register(function: Function) -> Function:
            takes_session(function)
            for topic in topics:
                self._register(topic, function)
            return function

        return register

    def topics_taken(self) -> frozenset[str]:
        """Every topic and wildcard registered."""
        return frozenset(self._functions)

    def find(self, topic: str) -> Callable[..., Any] | None:
        """The function that takes `topic`, None if none does."""
        taken = match(topic, self._functions)
        return None if taken is None else self._functions[taken]

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Every function registered, each once."""
        return tuple(dict.fromkeys(self._functions.values()))

    def _register(self, topic: str, function: Callable[..., Any]) -> None:
        if topic in self._functions:
            raise ConfigError(
                f"two handlers take {topic!r}: {name_of(self._functions[topic])} and {name_of(function)}; "
                "let one of them call the other"
            )
        self._functions[topic] = function


def match(topic: str, taken: Iterable[str]) -> str | None:
    """Which of the topics and wildcards in `taken` takes `topic`: itself, else the longest beginning."""
    fitting = [one for one in taken if one == topic or (one.endswith("*") and topic.startswith(one[:-1]))]
    return max(fitting, key=lambda one: (one == topic, len(one)), default=None)


def takes_session(function: Callable[..., Any]) -> bool:
    """Whether `function` takes a session beside the event; `ConfigError` if it can be called neither way.

    The second positional argument is the session, whatever its name; `*args` is not taken for one.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name_of(function)} does not say which arguments it takes; wrap it in a def") from error
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    required = [p for p in parameters if p.default is p.empty and p.kind in (*_POSITIONAL, p.KEYWORD_ONLY)]
    anything = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len([p for p in required if p in positional]) > 2 or any(p.kind is p.KEYWORD_ONLY for p in required):
        raise ConfigError(
            f"{name_of(function)} asks for {_names(required)}; a handler is given (event) or (event, session)"
        )
    if not positional and not anything:
        raise ConfigError(f"{name_of(function)} takes no argument; a handler is given (event) or (event, session)")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{name_of(function)} is a generator: calling it would run nothing; remove its yield")
    return len(positional) >= 2


def name_of(function: object) -> str:
    """`module.name` of a function, for messages."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', None) or '?'}.{name}"


def _names(parameters: Iterable[inspect.Parameter]) -> str:
    return "(" + ", ".join(p.name for p in parameters) + ")"


def _check_topics(topics: tuple[object, ...]) -> None:
    if not topics:
        raise ConfigError('handlers.on() names no topic; write @handlers.on("orders/create"), or "*" for all')
    for topic in topics:
        if callable(topic):
            raise ConfigError(f'{name_of(topic)}: write @handlers.on("orders/create"), with its topics')
        if not isinstance(topic, str) or not topic:
            raise ConfigError(f"handlers.on({topic!r}): a topic is text")
        if "*" in topic[:-1]:
            raise ConfigError(f"handlers.on({topic!r}): a * stands only at the end, as in 'charge.*'")
