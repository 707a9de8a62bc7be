"""`transactions`: what is pending at providers, and what a person does about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from reconcile import when
from reconcile.cli import reports, wiring
from reconcile.cli.options import WHEN, AsJson, Limit, OneSource, instant, known_sources
from reconcile.cli.output import Table
from reconcile.cli.state import State
from reconcile.config import Config
from reconcile.context import Options
from reconcile.errors import ConfigError
from reconcile.ledger import Tx, transactions
from reconcile.ledger.transactions import Chosen
from reconcile.safe import safe
from reconcile.transactions import settling, tracking
from reconcile.transactions.ladders import ladder_of
from reconcile.transactions.tracking import Tracked
from reconcile.transactions.transaction import LADDER, LEFT, Transaction
from reconcile.transactions.transaction import State as Standing

#: More of one name than this nobody has.
_SAME_NAME = 20


class Shown(StrEnum):
    """What `--state` takes: a state, those that are open, or all."""

    OPEN = "open"
    ALL = "all"
    PENDING = "pending"
    UNRESOLVED = "unresolved"
    MISMATCH = "mismatch"
    SETTLED = "settled"
    RESOLVED = "resolved"


_STATES = {Shown.OPEN: (Standing.PENDING, *LEFT), Shown.ALL: ()}

Which = Annotated[
    str,
    typer.Argument(metavar="TRANSACTION", help="Its id, or type/id where an id is not enough.", show_default=False),
]
Some = Annotated[
    list[str] | None,
    typer.Argument(metavar="TRANSACTION", help="Ids, or type/id; without any, those that are due.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What is pending at providers, and its end.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    for command in (show, check, resolve, reopen, track):
        group.command()(command)
    app.add_typer(group, name="transactions")


def list_(
    context: typer.Context,
    *,
    source: OneSource = "",
    state: Annotated[
        Shown, typer.Option("--state", metavar="STATE", help="Only these; `all` for every one.")
    ] = Shown.OPEN,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List transactions that have not ended, oldest first."""
    state_ = State.of(context)
    config = wiring.load_config(state_)
    known_sources(config, [source] if source else [])
    chosen = Chosen(source, _STATES[state] if state in _STATES else (Standing(state),))
    with wiring.open_ledger(state_, config) as ledger, ledger.read() as tx:
        found = transactions.find(tx, chosen, limit)
        total = transactions.count(tx, chosen)
    if as_json:
        documents = [_document(config, one) for one in found]
        state_.output.json({"transactions": documents, "transactions_total": total})
        return
    state_.output.table(_table(config, found))
    words = "transactions" if state is Shown.ALL else f"{state} transactions"
    state_.output.line(f"{len(found)} of {total} {words}" if total else f"no {words}")


def show(context: typer.Context, *, which: Which, source: OneSource = "", as_json: AsJson = False) -> None:
    """Show one transaction with all that is known of it."""
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger, ledger.read() as tx:
        document = _document(config, _one(tx, config, which, source))
    if as_json:
        state.output.json(document)
        return
    for name, value in document.items():
        text = (
            when.stamp(value) if isinstance(value, datetime) else safe(str("-" if value in (None, "") else value), 2000)
        )
        state.output.line(f"{name + ':':<11} {text}")


def check(context: typer.Context, *, which: Some = None, source: OneSource = "", as_json: AsJson = False) -> None:
    """Ask the providers now, and report as a run does."""
    state = State.of(context)
    config = wiring.load_config(state)
    names = known_sources(config, [source]) if source else ()
    some: list[Transaction] = []
    with wiring.working(state, config) as work:
        if which:
            with work.ledger.write() as tx:
                some = [_one(tx, config, text, source) for text in which]
                settling.ask_now(tx, some)
            names = tuple(dict.fromkeys(one.source for one in some))
        report = wiring.watched(state)(work, ("status-checks",), Options(sources=names), "transactions check")
        with work.ledger.read() as tx:
            answers = _table(config, [now for one in some for now in _again(tx, one)])
    if not as_json:
        state.output.table(answers)
    reports.show(state, report, as_json=as_json)
    raise typer.Exit(report.exit_code)


def resolve(
    context: typer.Context,
    *,
    which: Which,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What was done; kept with it.", show_default=False)],
    source: OneSource = "",
) -> None:
    """Say that a transaction is settled by hand.

    Nobody is asked or told about it any more, unless its provider tells of an end.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    if not note.strip():
        raise typer.BadParameter("must say what was done", param_hint="--note")
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        one = _one(tx, config, which, source)
        settling.resolve(tx, one, note)
    state.output.line(f"{one.source} {one.subject}: settled by hand")


def reopen(context: typer.Context, *, which: Which, source: OneSource = "") -> None:
    """Put a transaction back on its ladder.

    It is asked about at the next run.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        one = _one(tx, config, which, source)
        again = settling.reopen(tx, one)
    said = "asked about from now on again" if again else "is on its ladder already"
    state.output.line(f"{one.source} {one.subject}: {said}")


def track(
    context: typer.Context,
    *,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The provider's id of it.", show_default=False)],
    source: Annotated[str, typer.Option(metavar="NAME", help="Where it is pending.", show_default=False)],
    type_: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="Its type, where the id does not tell.", show_default=False)
    ] = "",
    amount: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="What is expected, in the provider's own unit.", show_default=False),
    ] = None,
    currency: Annotated[str, typer.Option(metavar="CODE", help="Its currency.", show_default=False)] = "",
    at: Annotated[str | None, typer.Option(metavar="WHEN", help=f"When it began: {WHEN}.", show_default="now")] = None,
) -> None:
    """Follow a transaction that nothing else tells of."""
    state = State.of(context)
    config = wiring.load_config(state)
    began = instant(at, "--at", state.clock)
    (name,) = known_sources(config, [source])
    try:
        one = tracking.tracked(config, name, id_, type_=type_, amount=amount, currency=currency, at=began)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--amount") from None
    with wiring.open_ledger(state, config) as ledger:
        new = tracking.keep(ledger, one)
    state.output.line(f"{one.source} {one.subject}: {'followed' if new else 'followed already'}{_expected(one)}")


def _expected(one: Tracked) -> str:
    """What is expected of it from now on, as far as it was said."""
    said = f"{one.amount} {one.currency}".strip()
    return f", and {said} expected" if said else ""


def _one(tx: Tx, config: Config, text: str, source: str) -> Transaction:
    """The transaction `text` names, by its id alone or with its type; `ConfigError` unless it is just one."""
    names = known_sources(config, [source]) if source else ("",)
    type_, slash, rest = text.partition("/")
    found = [one for name in names for one in transactions.find(tx, Chosen(name, id=text), _SAME_NAME)]
    if slash:
        found += [one for name in names for one in transactions.find(tx, Chosen(name, (), type_, rest), _SAME_NAME)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(f"no transaction is called {text}; `reconcile transactions list --state all` shows them")
    named = ", ".join(f"{one.subject} --source {one.source}" for one in found)
    raise ConfigError(f"several transactions are called {text}; say which: {named}")


def _again(tx: Tx, one: Transaction) -> Sequence[Transaction]:
    """The same as it is now; nothing if it was purged since."""
    return transactions.find(tx, Chosen(one.source, (), one.subject.type, one.subject.id), 1)


def _table(config: Config, found: Sequence[Transaction]) -> Table:
    table = Table(("transaction", "source", "state", "status", "amount", "began", "asked", "next", "answer"))
    for one in found:
        amount = "-" if one.amount is None else f"{one.amount} {one.currency}".strip()
        due = _due(config, one)
        table.add(
            one.subject, one.source, one.state, one.raw or one.status, amount, when.stamp(one.at or one.known_at),
            one.attempts, when.stamp(due), one.answer or "-",
        )  # fmt: skip
    return table


def _due(config: Config, one: Transaction) -> datetime | None:
    source = config.sources.get(one.source)
    due = one.due_at(ladder_of(config, source) if source else LADDER)
    return max(due, one.asked_at or one.known_at) if due else None


def _document(config: Config, one: Transaction) -> dict[str, Any]:
    whole = asdict(one)
    for name in ("claim", "since", "subject"):
        del whole[name]
    amount = None if one.amount is None else str(one.amount)
    named = {"source": one.source, "type": one.subject.type, "id": one.subject.id}
    return {**named, **whole, "amount": amount, "next_at": _due(config, one)}
