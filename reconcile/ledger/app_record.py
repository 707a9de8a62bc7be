"""An app's own table of handled events, asked with the operator's query. Not a ledger: only ever read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, bindparam, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

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
        _is_there(source, url)
        try:
            with _engine(url).connect() as connection:
                for some in chunks(list(keys), _KEYS_PER_QUERY):
                    rows = connection.execute(statement, {"keys": some})
                    found |= _among(source, some, {str(row[0]) for row in rows if row[0] is not None})
        except SQLAlchemyError as error:
            raise ConfigError(
                f"{source}: the query of `recorded:` failed ({_why(error, url)}); without its answer nothing can "
                "be called missed, so nothing was recorded. Mend it, then run `reconcile check`"
            ) from None
        return found

    return handled


def _is_there(source: str, url: str) -> None:
    """SQLite would make an empty database of a mistyped name: what is only read is never made."""
    parsed = make_url(url)
    file = parsed.database or ":memory:"
    if parsed.get_backend_name() == "sqlite" and not file.startswith((":", "file:")) and not Path(file).exists():
        raise ConfigError(
            f"{source}: `recorded:` names {Path(file).absolute()}, and there is no such file; nothing was recorded"
        )


def _why(error: SQLAlchemyError, url: str) -> str:
    """Its kind, and the first line of what the driver says, unless that quotes the URL with its password."""
    kind = type(error).__name__
    said = str(error.orig).partition("\n")[0] if isinstance(error, DBAPIError) and error.orig else ""
    password = make_url(url).password or ""
    if not said or "://" in said or (password and (password in said or quote(password, "") in said)):
        return kind
    return f"{kind}: {safe(said)}"


def _among(source: str, asked: Sequence[str], answered: set[str]) -> set[str]:
    """The keys of an answer. One in which none was asked for is no "nothing handled": it names something else."""
    found = answered.intersection(asked)
    if answered and not found:
        raise ConfigError(
            f"{source}: the query of `recorded:` answered, but with none of the keys it was asked for (such as "
            f"{safe(asked[0])}): its first column must be the key, as text and as long as it is; nothing was recorded"
        )
    return found
