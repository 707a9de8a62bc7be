"""Opening a ledger: what is refused, with the way out, and what never shows."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from reconcile.clock import SystemClock
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger
from reconcile.ledger.engine import connect

BAD = {
    "mysql://root:hunter2@host/db": r"it names 'mysql'; it must be sqlite:///file or postgresql://",
    "reconcile.db": r"it cannot be read; it must be sqlite:///file",
    "postgresql://user:hunter2@host:port/db": r"it cannot be read",
    "sqlite://": r"in-memory database would forget everything; name a file",
    "sqlite:///:memory:": r"in-memory database would forget everything",
    "sqlite:////nowhere/at/all/ledger.db": r"the directory /nowhere/at/all does not exist; create it",
    "postgresql://user:hunter2@127.0.0.1:1/db": (
        r"no connection to the server; see that it runs, and that `ledger` names its host, port, user and database, "
        r"nothing lost, safe to re-run \(.*Connection refused.*; postgresql://user:\*\*\*@127\.0\.0\.1:1/db\)"
    ),
}


def opened(url):
    return Ledger.open(url, SystemClock())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("url", BAD)
def test_bad_url_is_refused_without_its_password(url):
    """X1: a URL that cannot be used says why and what to write instead, and never shows a password."""
    with pytest.raises(LedgerError, match=BAD[url]) as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_directory_and_a_file_of_another_kind_are_refused(tmp_path):
    """L6: the message names what was found, where, and what to do."""
    with pytest.raises(LedgerError, match=rf"{tmp_path} is a directory; name a file in it, such as {tmp_path}/rec"):
        opened(f"sqlite:///{tmp_path}")
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at as one " * 20)
    says = rf"not a SQLite database; move it away, or name another file.*; sqlite:///{tmp_path}/notes.txt\)"
    with pytest.raises(LedgerError, match=says):
        opened(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_password_is_masked_in_repr():
    """X1: a ledger that lands in a log shows no password."""
    url = "postgresql://user:hunter2@host/db"
    assert repr(Ledger(url, connect(url), SystemClock())) == "Ledger('postgresql://user:***@host/db')"


def test_missing_driver_names_the_extra(monkeypatch):
    """Without psycopg the message is the command that installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match=r"pip install 'psycopg\[binary\]"):
        opened("postgresql://user@host/db")


def test_both_spellings_of_postgresql_work(postgresql_databases, tmp_path):
    """`postgres://`, as many hosts hand it out, is the same as `postgresql://`."""
    with postgresql_databases.fresh(tmp_path) as url:
        ledger = opened(url.replace("postgresql://", "postgres://"))
        assert ledger.dialect == "postgresql"
        ledger.close()


def test_files_are_the_owners_alone(tmp_path):
    """Whatever the umask, the file and its -wal and -shm are readable and writable by their owner only."""
    path = tmp_path / "ledger.db"
    old = os.umask(0)
    try:
        ledger = opened(f"sqlite:///{path}")
        with ledger.write():
            modes = {file.name: mode(file) for file in tmp_path.iterdir()}
        ledger.close()
    finally:
        os.umask(old)
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_mode_of_an_existing_file_is_kept(tmp_path):
    """A database that was there before may be the application's, with a mode of its own."""
    path = tmp_path / "app.db"
    path.touch()
    path.chmod(0o640)
    opened(f"sqlite:///{path}").close()
    assert mode(path) == 0o640


def test_symbolic_link_in_a_public_directory_is_refused(tmp_path):
    """Someone else could have put the link there; in a directory of one's own it is fine."""
    public = tmp_path / "public"
    public.mkdir()
    (public / "ledger.db").symlink_to(tmp_path / "elsewhere.db")
    public.chmod(0o1777)
    with pytest.raises(LedgerError, match="symbolic link in a directory everyone may write to"):
        opened(f"sqlite:///{public / 'ledger.db'}")
    assert not (tmp_path / "elsewhere.db").exists()
    public.chmod(0o700)
    (tmp_path / "elsewhere.db").touch()
    opened(f"sqlite:///{public / 'ledger.db'}").close()


def test_settings_of_every_connection(tmp_path):
    """Write-ahead log, every commit on disk, foreign keys, and 5 s of patience."""
    ledger = opened(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ledger.read() as tx:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    ledger.close()
    assert found == ["wal", 2, 1, 5000]


def test_a_file_system_without_a_write_ahead_log_is_refused(monkeypatch, tmp_path):
    """L6: SQLite would go on in another mode, in which a reader stops the writer; that is said, with two ways on."""

    class NoLog(sqlite3.Connection):
        def execute(self, statement, *bound):
            return super().execute("select 'delete'" if "journal_mode" in statement else statement, *bound)

    connect = sqlite3.dbapi2.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *given, **named: connect(*given, factory=NoLog, **named))
    with pytest.raises(LedgerError, match=r"cannot keep a write-ahead log .*'delete'.* local disk or use PostgreSQL"):
        Ledger.open(f"sqlite:///{tmp_path / 'a.db'}", SystemClock())


def test_timeouts_of_every_postgresql_connection(postgresql_databases, tmp_path):
    """No statement and no lock is waited for without end, and the server's list of sessions names us."""
    with postgresql_databases.fresh(tmp_path) as url:
        ledger = opened(url)
        with ledger.read() as tx:
            names = ("statement_timeout", "lock_timeout", "application_name", "transaction_isolation")
            found = [tx.connection.exec_driver_sql(f"show {name}").scalar() for name in names]
        with ledger.write() as tx:
            found.append(tx.connection.exec_driver_sql("show transaction_isolation").scalar())
        ledger.close()
    assert found == ["1min", "10s", "reconcile", "repeatable read", "read committed"]


def test_own_options_of_a_url_are_kept(postgresql_databases, tmp_path):
    """What an operator sets in the URL wins over our defaults."""
    with postgresql_databases.fresh(tmp_path) as url:
        ledger = opened(f"{url}&application_name=mine&options=-c%20lock_timeout%3D3000")
        with ledger.read() as tx:
            shown = [
                tx.connection.exec_driver_sql(f"show {name}").scalar() for name in ("application_name", "lock_timeout")
            ]
        ledger.close()
    assert shown == ["mine", "3s"]


def test_read_only_file_is_refused_at_start(tmp_path):
    """L6: a ledger that cannot be written is said at start, not at the first event."""
    path = tmp_path / "ledger.db"
    opened(f"sqlite:///{path}").close()
    with pytest.raises(LedgerError, match="the database is read-only"):
        opened(f"sqlite:///file:{path}?mode=ro&uri=true")


def test_read_only_database_is_refused_at_start(postgresql_databases, tmp_path):
    """L6: so is a PostgreSQL that takes no writes."""
    says = "the database is read-only; point `ledger` at the primary"
    with postgresql_databases.fresh(tmp_path) as url, pytest.raises(LedgerError, match=says):
        opened(f"{url}&options=-c%20default_transaction_read_only%3Don")


def test_start_does_not_wait_for_a_writer(tmp_path):
    """A ledger someone is writing at this moment can be written: its start does not wait, and reads go on."""
    path = tmp_path / "ledger.db"
    opened(f"sqlite:///{path}").close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ledger = opened(f"sqlite:///{path}")
    with ledger.read() as tx:
        assert tx.connection.exec_driver_sql("select count(*) from reconcile_event").scalar() == 0
    ledger.close()
    other.close()


def test_file_that_is_no_database(tmp_path):
    """A wrong path is said as such."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a database, just a long enough text " * 50)
    with pytest.raises(LedgerError, match="not a SQLite database"):
        opened(f"sqlite:///{path}")


def test_opening_does_not_load_alembic(tmp_path):
    """A command on a ledger that is up to date does not pay for the migrations' library."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    opened(url).close()
    code = (
        "import sys; from reconcile.clock import SystemClock; from reconcile.ledger import Ledger;"
        f"Ledger.open({url!r}, SystemClock()).close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
