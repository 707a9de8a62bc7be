"""`db`: the ledger's schema and its health."""

from __future__ import annotations

import typer

from reconcile.cli import wiring
from reconcile.cli.options import AsJson
from reconcile.cli.state import State
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger, integrity


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="The ledger's schema and its health.", no_args_is_help=True, rich_markup_mode=None)
    for command in (upgrade, version, check):
        group.command()(command)
    app.add_typer(group, name="db")


def upgrade(context: typer.Context) -> None:
    """Bring the ledger's schema up to date.

    Running it twice does no harm.
    """
    state = State.of(context)
    url = wiring.load_config(state).ledger.get_secret_value()
    before, now = Ledger.upgrade(url, state.clock)
    state.output.line(f"schema {now}" if before == now else f"schema {before or 'none'} is now {now}")


def version(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Print the ledger's schema and ours.

    The revision the ledger has, and the one this program needs.
    """
    state = State.of(context)
    url = wiring.load_config(state).ledger.get_secret_value()
    found, needed = integrity.schema(url)
    if as_json:
        state.output.json({"schema": found, "needed": needed})
    else:
        state.output.line(f"ledger: {found or 'none'}\nthis program: {needed}")


def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Check that the ledger is whole.

    Asks the database whether its file is intact, and the rows whether they agree with each other.
    """
    state = State.of(context)
    with wiring.open_ledger(state, wiring.load_config(state)) as ledger, ledger.read() as tx:
        problems = integrity.problems(tx)
    if as_json:
        state.output.json({"problems": problems, "exit_code": LedgerError.exit_code if problems else 0})
    else:
        state.output.line("\n".join(problems) or "intact")
    raise typer.Exit(LedgerError.exit_code if problems else 0)
