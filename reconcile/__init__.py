"""Finds webhook events a service lost, runs them through its own handlers once, and proves what is complete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconcile.handlers import Handlers
    from reconcile.model import Event
    from reconcile.receiver import Answer

__all__ = ["Event", "Handlers", "receive", "track"]
#: Loaded once they are asked for: the command line has its signal handlers in place before anything takes time.
_HOMES = {"Event": "reconcile.model", "Handlers": "reconcile.handlers"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return resolve_name(f"{_HOMES[name]}:{name}")


def receive(source: str, headers: Mapping[str, str], body: bytes, client: str = "") -> Answer:
    """Take one live delivery in a web application of your own: verify, store, commit; then tell what to answer.

    `source` is its key under `sources:`, `headers` and `body` are the request's, the body byte for byte. The answer
    has an HTTP `status` and a short `text`; a status that is not 2xx makes the provider try again. It only records:
    the next `reconcile run` delivers. Blocks while it writes, at most some seconds; may be called by any thread.
    The configuration (`$RECONCILE_CONFIG`, else `./schedules.yaml`) is read once per process, at the first call,
    which raises `ConfigError` if it cannot be used. `client` is the connection's address, for `allow_from`.
    """
    # Only now: every handler imports this package, and the ledger's libraries cost 0.4 s and 40 MB.
    answer: Answer = resolve_name("reconcile.mounted:receive")(source, headers, body, client)
    return answer


def track(
    source: str,
    id: str,  # noqa: A002 - the word the documentation uses
    *,
    type: str = "",  # noqa: A002 - as above
    amount: int | str | Decimal | None = None,
    currency: str = "",
    at: datetime | None = None,
) -> bool:
    """Follow a transaction of your own until its provider tells its end: status checks ask about it on their ladder.

    `id` is the provider's (Shopify: an order's, or `ORDER/TRANSACTION`); `type` is needed only where the id does not
    tell it. `amount` is what you expect, in the provider's own unit and exactly (Stripe: 1999, Shopify: "19.99"); an
    end over another amount or `currency` is not delivered but a person's turn. `at` is when it began (aware; default:
    now), from which the first rung counts. Calling it again changes nothing but what you expect; the answer says
    whether it was new. May be called by any thread, but not while a transaction of yours holds the ledger's SQLite
    file. Raises `ConfigError` for a source or type there is not, `LedgerError` if it could not be written,
    `TypeError` for a float and `ValueError` for what is no amount or a naive `at`.
    """
    tracked: bool = resolve_name("reconcile.transactions.tracking:track")(
        source, id, type_=type, amount=amount, currency=currency, at=at
    )
    return tracked
