"""`gaps`: what was found wrong, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from reconcile import when
from reconcile.cli import wiring
from reconcile.cli.options import LARGEST, AsJson, Limit, OneSource, known_sources
from reconcile.cli.output import Table
from reconcile.cli.state import State
from reconcile.config import Config
from reconcile.errors import ConfigError
from reconcile.ledger import Tx, gaps
from reconcile.ledger.gaps import Gap
from reconcile.model import GapKind
from reconcile.operator import repair
from reconcile.operator.repair import Retried
from reconcile.safe import safe

#: What to do next about each result.
_ADVICE = {
    Retried.REVIVED: "{source}: now `reconcile run dispatch --source {source}`",
    Retried.BUSY: "{source}: some events are with their handler now; look again in a minute",
    Retried.NEEDS_RUN: "{source}: no event to send; `reconcile run --recheck --source {source}` reads it again (with"
    " --since, if it is older than the horizon)",
    Retried.NOT_SHOWN: "{source}: its provider does not list it, so no run can find it: compare by hand, then "
    "`reconcile gaps ignore`",
    Retried.NOT_OPEN: "{source}: some gaps are not open any more",
}

Kind = Annotated[GapKind | None, typer.Option("--kind", metavar="KIND", help="Only this kind.", show_default=False)]
Number = Annotated[
    int,
    typer.Argument(metavar="GAP", max=LARGEST, help="The gap's number, as `gaps list` shows it.", show_default=False),
]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="GAP", max=LARGEST, help="Numbers of gaps; without any, all that --source and --kind choose."
    ),
]

#: Gaps dealt with in one commit at most; the command says so when there are more.
MOST = 10_000


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What was found wrong and is not resolved.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    for command in (show, retry, ignore):
        group.command()(command)
    app.add_typer(group, name="gaps")


def list_(
    context: typer.Context, *, source: OneSource = "", kind: Kind = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """List open gaps, oldest first."""
    state = State.of(context)
    config = wiring.load_config(state)
    names = known_sources(config, [source]) if source else ()
    with wiring.open_ledger(state, config) as ledger, ledger.read() as tx:
        found = gaps.find(tx, source=names[0] if names else None, kind=kind, limit=limit)
        total = _total(tx, source, kind)
    if as_json:
        state.output.json({"gaps": [_document(gap) for gap in found], "gaps_total": total})
        return
    state.output.table(_table(found))
    state.output.line(f"{len(found)} of {total} open gaps" if total else "no open gaps")


def show(context: typer.Context, *, number: Number, as_json: AsJson = False) -> None:
    """Show one gap with all that is known of it."""
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger, ledger.read() as tx:
        gap = _known(tx, number)
    if as_json:
        state.output.json(_document(gap))
        return
    for name, value in _document(gap).items():
        text = (
            when.stamp(value) if isinstance(value, datetime) else safe(str("-" if value in (None, "") else value), 2000)
        )
        state.output.line(f"{name + ':':<11} {text}")


def retry(context: typer.Context, *, numbers: Numbers = None, source: OneSource = "", kind: Kind = None) -> None:
    """Try gaps again.

    Their events are sent to the handler again; for a gap that has none, it says which run can help.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        chosen, left = _chosen(tx, config, numbers or (), source, kind)
        results = [(gap, repair.retry(tx, config, gap)) for gap in chosen]
    counts = Counter(result for _, result in results)
    state.output.line(", ".join(f"{counts[result]} {result}" for result in Retried if counts[result]) or "no open gaps")
    for result, name in dict.fromkeys((result, gap.source) for gap, result in results):
        state.output.line(_ADVICE[result].format(source=name))
    _say_left(state, left)


def ignore(
    context: typer.Context,
    *,
    numbers: Numbers = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why it is all right; shown with the gap.", show_default=False)
    ],
    source: OneSource = "",
    kind: Kind = None,
) -> None:
    """Count gaps as settled.

    Also when they are seen again; the reason stays with them.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    if not reason.strip():
        raise typer.BadParameter("must say why it is all right", param_hint="--reason")
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        chosen, left = _chosen(tx, config, numbers or (), source, kind)
        number = gaps.ignore(tx, [gap.id for gap in chosen], reason)
    state.output.line(f"{number} ignored")
    _say_left(state, left)


def _chosen(tx: Tx, config: Config, numbers: Sequence[int], source: str, kind: GapKind | None) -> tuple[list[Gap], int]:
    """The gaps that are meant, by number, or all open ones of a source or kind, never simply all; how many are left."""
    if numbers:
        return [_known(tx, number) for number in numbers], 0
    if not source and kind is None:
        raise typer.BadParameter("name gaps by number, or choose them with --source or --kind", param_hint="GAP")
    names = known_sources(config, [source]) if source else ()
    found = gaps.find(tx, source=names[0] if names else None, kind=kind, limit=MOST)
    return found, _total(tx, source, kind) - len(found)


def _say_left(state: State, left: int) -> None:
    if left > 0:
        state.output.line(
            f"these were the oldest {MOST}, and {left} more are open: once these are settled, do it again"
        )


def _known(tx: Tx, number: int) -> Gap:
    gap = gaps.get(tx, number)
    if gap is None:
        raise ConfigError(f"there is no gap {number}; `reconcile gaps list` shows those there are")
    return gap


def _total(tx: Tx, source: str, kind: GapKind | None) -> int:
    counts = gaps.count(tx, source=source or None)
    return sum(number for (_, of_kind), number in counts.items() if kind is None or of_kind == kind)


def _table(found: Sequence[Gap]) -> Table:
    table = Table(("gap", "source", "kind", "subject", "topic", "since", "reason"))
    for gap in found:
        what = gap.subject or gap.key
        table.add(gap.id, gap.source, gap.kind, what, gap.topic, when.stamp(gap.opened_at), gap.reason)
    return table


def _document(gap: Gap) -> dict[str, Any]:
    return asdict(gap) | {"subject": str(gap.subject) if gap.subject else ""}
