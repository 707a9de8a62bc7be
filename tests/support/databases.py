"""A fresh, upgraded ledger database per test, for every engine the ledger speaks."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from reconcile.clock import SystemClock
from reconcile.ledger import Ledger


class SqliteMaker:
    """Files; the template is copied."""

    def __init__(self, folder: Path) -> None:
        self.template = folder / "template.db"
        Ledger.open(f"sqlite:///{self.template}", SystemClock()).close()

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[str]:
        """The URL of a new ledger in `folder`."""
        path = folder / "ledger.db"
        shutil.copy(self.template, path)
        yield f"sqlite:///{path}"

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        """The URL of a database without any table."""
        yield f"sqlite:///{folder / 'empty.db'}"


class PostgresqlMaker:
    """Databases of one server, made from a template that was upgraded once."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.template = self._create()
        Ledger.open(self._url(self.template), SystemClock()).close()

    @contextmanager
    def fresh(self, _folder: Path) -> Iterator[str]:
        """The URL of a new ledger."""
        yield from self._lend(self.template)

    @contextmanager
    def empty(self, _folder: Path) -> Iterator[str]:
        """The URL of a database without any table."""
        yield from self._lend("template1")

    def close(self) -> None:
        """Drop the template, which on a borrowed server would stay behind."""
        self._drop(self.template)

    def _lend(self, template: str) -> Iterator[str]:
        name = self._create(template)
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    def _create(self, template: str = "template1") -> str:
        name = f"reconcile_test_{uuid.uuid4().hex}"
        self._run(f"create database {name} template {template}")
        return name

    def _drop(self, name: str) -> None:
        self._run(f"drop database if exists {name} with (force)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.server)._replace(path=f"/{name}"))
