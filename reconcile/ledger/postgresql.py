"""A ledger in a PostgreSQL database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from reconcile.errors import LedgerError
from reconcile.ledger.patience import limit

CONNECT_TIMEOUT = 5  # seconds
#: Seconds an answer is waited for: half a minute more than the server gives a statement by its own limit below.
PATIENCE = 90.0
#: The option of an engine whose statements may take as long as whoever uses it likes.
UNBOUNDED = "reconcile_unbounded"
_STATEMENT_TIMEOUT = "statement_timeout"
#: A peer that is gone is noticed by TCP after a minute, whoever waits for it.
_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
_OPTIONS = f"-c {_STATEMENT_TIMEOUT}=60000 -c lock_timeout=10000"  # milliseconds
DRIVER = "postgresql+psycopg"


def engines(url: URL) -> tuple[Engine, Engine]:
    """(reader, writer) on one pool. A connection found dead when taken from the pool is replaced."""
    try:
        engine = create_engine(
            url.set(drivername=DRIVER),
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
    # Whoever sets a limit of their own for statements waits for them without one of ours.
    if _STATEMENT_TIMEOUT not in str(url.query.get("options", "")):
        wait_no_longer(engine)
    reader = engine.execution_options()
    event.listen(reader, "begin", _read_only)
    return reader, engine


def probe(writer: Engine, table: str) -> None:
    """Raise unless rows of `table` may be written: a read-only database and a mere reader are refused the lock."""
    with writer.connect() as connection:
        connection.execute(text(f"select 1 from {table} for key share"))


def wait_no_longer(engine: Engine) -> None:
    """Let every statement of `engine` wait for `PATIENCE`, but for those whose user takes as long as it likes."""
    silent = engine.dialect.loaded_dbapi.OperationalError

    def connect(driver: Any, _record: object) -> None:
        driver.patience = PATIENCE
        limit(driver, silent)

    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.patience = None if UNBOUNDED in connection.get_execution_options() else PATIENCE

    def checkin(driver: Any, _record: object) -> None:
        if driver is not None:  # it is None if the connection was thrown away
            driver.patience = PATIENCE

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
    event.listen(engine, "checkin", checkin)


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
    return wanted | reachable(url)


def reachable(url: URL) -> dict[str, str | int]:
    """How long a server may take to answer at all, and who asks it, as far as the URL does not say so itself."""
    ours: dict[str, str | int] = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "reconcile", **_KEEPALIVE}
    return {name: value for name, value in ours.items() if name not in url.query}
