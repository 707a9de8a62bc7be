"""An app's own table of handled events, asked with the operator's query. Not a ledger: only ever read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from sqlalchemy import Engine, bindparam, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from reconcile.errors import ConfigError
from reconcile.ledger import postgresql
from reconcile.ledger.rowset import chunks
from reconcile.safe import safe

#: Under the bound-parameter limits of every engine people keep such tables in.
_KEYS_PER_QUERY = 500


@lru_cache(maxsize=16)
def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.drivername not in ("postgresql", postgresql.DRIVER):
        return create_engine(parsed, pool_pre_ping=True)
    arguments = postgresql.reachable(parsed)
    engine = create_engine(parsed.set(drivername=postgresql.DRIVER), pool_pre_ping=True, connect_args=arguments)
    postgresql.wait_no_longer(engine)
    return engine


def of_query(source: str, url: str, query: str) -> Callable[[Collection[str]], AbstractSet[str]]:
    """A function from keys to those that `query` finds; its first column holds them. Raises `ConfigError`."""
    statement = text(query).bindparams(bindparam("keys", expanding=True))

    def handled(keys: Collection[str]) -> AbstractSet[str]:
        found: set[str] = set()
        try:
            with _engine(url).connect() as connection:
                for some in chunks(list(keys), _KEYS_PER_QUERY):
                    rows = connection.execute(statement, {"keys": some})
                    found |= _among(source, some, {str(row[0]) for row in rows if row[0] is not None})
        except SQLAlchemyError as error:
            # The driver's own text may quote the URL, so only its kind is shown.
            raise ConfigError(
                f"{source}: the query of `recorded:` failed ({type(error).__name__}); without its answer nothing can "
                "be called missed, so nothing was recorded. Run `reconcile check`"
            ) from None
        return found

    return handled


def _among(source: str, asked: Sequence[str], answered: set[str]) -> set[str]:
    """The keys of an answer. One in which none was asked for is no "nothing handled": it names something else."""
    found = answered.intersection(asked)
    if answered and not found:
        raise ConfigError(
            f"{source}: the query of `recorded:` answered, but with none of the keys it was asked for (such as "
            f"{safe(asked[0])}): its first column must be the key, as text and as long as it is; nothing was recorded"
        )
    return found
