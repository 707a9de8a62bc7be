"""A ledger in a PostgreSQL database."""

from __future__ import annotations

from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from reconcile.errors import LedgerError

CONNECT_TIMEOUT = 5  # seconds
_OPTIONS = "-c statement_timeout=60000 -c lock_timeout=10000"  # milliseconds
_DRIVER = "postgresql+psycopg"


def engines(url: URL) -> tuple[Engine, Engine]:
    """(reader, writer) on one pool. A connection found dead when taken from the pool is replaced."""
    try:
        engine = create_engine(
            url.set(drivername=_DRIVER),
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=24,
            pool_timeout=10,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            connect_args=_connect_arguments(url),
        )
    except ModuleNotFoundError as error:
        raise LedgerError(
            "ledger: the PostgreSQL driver is not installed; run `pip install 'psycopg[binary]>=3.2,<4'`"
        ) from error
    reader = engine.execution_options()
    event.listen(reader, "begin", _read_only)
    return reader, engine


def probe(writer: Engine, table: str) -> None:
    """Raise unless rows of `table` may be written: a read-only database and a mere reader are refused the lock."""
    with writer.connect() as connection:
        connection.execute(text(f"select 1 from {table} for key share"))


def _read_only(connection: Connection) -> None:
    """Said per transaction: what SQLAlchemy would set on the connection, it resets to an explicit READ WRITE, which a
    standby refuses in words that hide the cause.
    """
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _connect_arguments(url: URL) -> dict[str, str | int]:
    given = url.query.get("options", "")
    wanted: dict[str, str | int] = {
        "options": f"{_OPTIONS} {given if isinstance(given, str) else ' '.join(given)}".strip()
    }
    if "connect_timeout" not in url.query:
        wanted["connect_timeout"] = CONNECT_TIMEOUT
    if "application_name" not in url.query:
        wanted["application_name"] = "reconcile"
    return wanted
