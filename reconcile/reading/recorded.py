"""The app's own record of what it handled (`recorded:`): asked once per page, only for keys the ledger lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import cast

from reconcile.config import RecordedCallable, RecordedQuery, SourceConfig
from reconcile.errors import ConfigError
from reconcile.ledger import app_record
from reconcile.reading.judge import Elsewhere
from reconcile.targets.loading import load_handler


def of(source: SourceConfig) -> Elsewhere | None:
    """The question to ask of a source's app, None if it keeps no record of its own."""
    match source.recorded:
        case None:
            return None
        case RecordedCallable(ref=ref):
            return _callable(source.name, ref)
        case RecordedQuery(database=database, query=query):
            return app_record.of_query(source.name, database.get_secret_value(), query)


@lru_cache(maxsize=64)
def _callable(source: str, ref: str) -> Elsewhere:
    ask = cast("Callable[[list[str]], Collection[str]]", load_handler(ref).call)

    def handled(keys: Collection[str]) -> AbstractSet[str]:
        asked = list(keys)
        try:
            answer = ask(asked)
        except Exception as error:
            raise ConfigError(
                f"{source}: `recorded: {ref}` failed with {type(error).__name__}: {error}; without its answer nothing "
                "can be called missed, so nothing was recorded"
            ) from error
        return frozenset(str(key) for key in answer) & frozenset(asked)

    return handled
