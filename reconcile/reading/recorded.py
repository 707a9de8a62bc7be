"""The app's own record of what it handled (`recorded:`): asked once per page, only for keys the ledger lacks.

An answer that cannot be one is an error, never "nothing handled": all of the page would be handled a second time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import cast
from uuid import UUID

from reconcile import logs
from reconcile.config import RecordedCallable, RecordedQuery, SourceConfig
from reconcile.errors import ConfigError
from reconcile.ledger import app_record
from reconcile.logs import secrets_of
from reconcile.reading.judge import Elsewhere
from reconcile.targets.loading import load_handler
from reconcile.targets.text import describe, one_paragraph

#: What an app keeps a key as: text, or what a provider's event id may be stored as.
_KEYS = (str, int, UUID)


def of(source: SourceConfig) -> Elsewhere | None:
    """The question to ask of a source's app, None if it keeps no record of its own."""
    match source.recorded:
        case None:
            return None
        case RecordedCallable(ref=ref):
            return _callable(source.name, ref, tuple(secrets_of(source)))
        case RecordedQuery(database=database, query=query):
            return app_record.of_query(source.name, database.get_secret_value(), query)


@lru_cache(maxsize=64)
def _callable(source: str, ref: str, secrets: tuple[str, ...]) -> Elsewhere:
    with logs.unchanged():
        ask = cast("Callable[[list[str]], object]", load_handler(ref).call)

    def handled(keys: Collection[str]) -> AbstractSet[str]:
        try:
            with logs.unchanged():
                return _texts(ask(list(keys))) & frozenset(keys)
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"{source}: `recorded: {ref}` failed with {one_paragraph(describe(error), secrets)}; without its "
                "answer nothing can be called missed, so nothing was recorded"
            ) from error

    return handled


def _texts(answer: object) -> frozenset[str]:
    """The keys of an answer; what an app's code may return by mistake would match none, and is a `TypeError`."""
    if inspect.iscoroutine(answer):
        answer.close()  # nobody will await it
    if not isinstance(answer, Iterable) or isinstance(answer, (str, bytes, Mapping)):
        raise TypeError(f"it returned {type(answer).__name__}, and must return those of the keys that are handled")
    found = list(answer)
    for key in found:
        if isinstance(key, bool) or not isinstance(key, _KEYS):
            raise TypeError(f"it returned {type(key).__name__} where a key, which is text, is expected")
    return frozenset(map(str, found))
