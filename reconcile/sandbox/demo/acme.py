"""A small order service, as somebody else would write it: one handler for what its webhooks tell.

The demo copies this file beside its `schedules.yaml`. Nothing here guards against repeats: whatever is handled twice
shows in `handled`.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from reconcile import Event, Handlers

handlers = Handlers()

TABLES = """
create table orders (id text primary key, total text, status text, version integer);
create table refunds (id text, order_id text);
create table payments (id text, amount integer, status text);
create table handled (topic text, key text, version integer, event text);
"""
_SAVE_ORDER = """
insert into orders (id, total, status, version) values (?, ?, ?, ?)
on conflict (id) do update set total = excluded.total, status = excluded.status, version = excluded.version
where excluded.version >= orders.version
"""


def create_tables(path: str) -> None:
    """The tables of the service, in the database that is also the ledger's: that makes it exactly once."""
    connection = sqlite3.connect(path)
    connection.executescript(TABLES)
    connection.close()


@handlers.on("orders/create", "orders/updated", "orders/cancelled")
def save_order(event: Event, session: Any) -> None:
    """Keep the newest state of an order; a late, older one changes nothing."""
    order = event.data
    status = "cancelled" if order["cancelled_at"] else order["financial_status"]
    write(session, _SAVE_ORDER, str(order["id"]), order["total_price"], status, event.version)
    note(session, event, str(order["id"]))


@handlers.on("refunds/create")
def save_refund(event: Event, session: Any) -> None:
    """Write down money that went back."""
    refund = event.data
    write(session, "insert into refunds values (?, ?)", str(refund["id"]), str(refund["order_id"]))
    note(session, event, str(refund["id"]))


@handlers.on("payment_intent.*")
def save_payment(event: Event, session: Any) -> None:
    """Book a payment that succeeded or failed."""
    intent = event.data["data"]["object"]
    write(session, "insert into payments values (?, ?, ?)", intent["id"], intent["amount_received"], event.topic)
    note(session, event, event.data["id"])


@handlers.on("charge.refunded")
def book_refund(event: Event, session: Any) -> None:
    """Book money that went back by card."""
    note(session, event, event.data["id"])


def note(session: Any, event: Event, key: str) -> None:
    """What happened, as this service heard of it."""
    write(session, "insert into handled values (?, ?, ?, ?)", event.topic, key, event.version, event.id)


def write(session: Any, statement: str, *values: object) -> None:
    """One statement, in the transaction that also marks the event as handled."""
    session.connection().exec_driver_sql(statement, values)
