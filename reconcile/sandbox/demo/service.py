"""The order service's own folder: its configuration, its handlers, its database, and the executable at work on it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from reconcile.errors import ConfigError
from reconcile.sandbox.demo import acme

DATABASE = "acme.db"
SHOP, PAYMENTS = "acme-shop", "acme-payments"
SHOP_URL, PAYMENTS_URL = (f"https://hooks.acme.example/webhooks/{name}" for name in (SHOP, PAYMENTS))
SHOP_TOPICS = ("orders/create", "orders/updated", "orders/cancelled", "refunds/create")
STATE_TOPICS = ("orders/updated",)  # their body is the whole state of now, and that is all a list shows
PAYMENT_TOPICS = ("payment_intent.succeeded", "payment_intent.payment_failed", "charge.refunded")
SHOP_SECRET = "shpss_dummy"
_CONFIG = """\
ledger: sqlite:///{database}
sources:
  {shop}:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
    base_url: {shop_origin}
    webhook: {{url: "{shop_url}", secret: {shop_secret}, topics: [{shop_topics}]}}
    handler: acme:handlers
  {payments}:
    connector: stripe
    api_key: sk_test_dummy
    base_url: {payments_origin}
    webhook: {{url: "{payments_url}", secret: {payments_secret}, topics: [{payment_topics}]}}
    handler: acme:handlers
"""
#: Seconds the executable gets to end once it was asked to.
_GRACE = 10.0


class Handled(NamedTuple):
    """One call of a handler, as the service itself wrote it down; `version` is of the order it saw."""

    topic: str
    key: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Service:
    """A folder with `schedules.yaml`, the handlers beside it and a database."""

    folder: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "schedules.yaml"

    def write(self, shop_origin: str, payments_origin: str, payments_secret: str) -> None:
        """Make the files; the origins are those of the fakes."""
        text = _CONFIG.format(
            database=DATABASE,
            shop=SHOP,
            shop_origin=shop_origin,
            shop_url=SHOP_URL,
            shop_secret=SHOP_SECRET,
            shop_topics=", ".join(SHOP_TOPICS),
            payments=PAYMENTS,
            payments_origin=payments_origin,
            payments_url=PAYMENTS_URL,
            payments_secret=payments_secret,
            payment_topics=", ".join(PAYMENT_TOPICS),
        )
        self.config.touch(mode=0o600)
        self.config.write_text(text, encoding="utf-8")
        shutil.copy(acme.__file__, self.folder / "acme.py")
        acme.create_tables(str(self.folder / DATABASE))

    def handled(self) -> list[Handled]:
        """Every call its handlers finished, in order."""
        return [Handled(*row) for row in self._rows("select topic, key, version from handled order by rowid")]

    def booked(self) -> int:
        """What customers paid according to its books, in cents."""
        return int(self._rows("select coalesce(sum(amount), 0) from payments")[0][0])

    def orders(self) -> dict[str, tuple[str, str]]:
        """Its orders: id → (total, status)."""
        return {row[0]: (row[1], row[2]) for row in self._rows("select id, total, status from orders")}

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.folder / DATABASE)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def reconcile(self, *words: str, capture: bool = False) -> tuple[int, str]:
        """Run the real executable on this service; its exit code, and its stdout if that is to be captured."""
        command = [executable(), "--config", str(self.config), *words]
        pipe = subprocess.PIPE if capture else None
        silent = subprocess.DEVNULL if capture else None
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=silent, text=True)  # noqa: S603 - our own words
        try:
            out, _ = process.communicate()
        except BaseException:
            _end(process)
            raise
        return process.returncode, out or ""


def executable() -> str:
    """The `reconcile` of this environment. Raises `ConfigError` if there is none."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
    found = shutil.which("reconcile", path=path)
    if found is None:
        raise ConfigError("the demo runs the `reconcile` executable and finds none; install the package it comes with")
    return found


def _end(process: subprocess.Popen[str]) -> None:
    """Nothing of ours may go on once the demo has ended."""
    process.terminate()
    try:
        process.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
