"""`subscriptions`: the webhooks a provider has for us, and what would make them as they should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer

from reconcile.cli import reports, wiring
from reconcile.cli.options import AsJson, Sources, known_sources
from reconcile.cli.output import Table
from reconcile.cli.state import State
from reconcile.config.urls import shown
from reconcile.connector import Subscription
from reconcile.context import Options
from reconcile.errors import reason_of
from reconcile.report import exit_code
from reconcile.subscriptions.overview import Looked, look
from reconcile.subscriptions.plan import Action, Step

Prune = Annotated[
    bool, typer.Option("--prune", help="Delete those recorded as ours that nothing needs; never anyone else's.")
]

_SIGNS = {Action.NONE: " ", Action.CREATED: "+", Action.ENABLED: "~", Action.UPDATED: "~", Action.REPORTED: "!"}
_WILL = {
    Action.NONE: "",
    Action.CREATED: "will be created",
    Action.ENABLED: "will be enabled",
    Action.UPDATED: "will be updated",
    Action.REPORTED: "is for you to mend",
}


def register(app: typer.Typer) -> None:
    """Add the group."""
    help_ = "Webhook subscriptions, as they are and should be."
    group = typer.Typer(help=help_, no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    for command in (plan, apply):
        group.command()(command)
    app.add_typer(group, name="subscriptions")


def list_(context: typer.Context, *, source: Sources = None, as_json: AsJson = False) -> None:
    """List every subscription a provider has, and whose it is."""
    state = State.of(context)
    looked = _looked(state, source, prune=False)
    pairs = [(one, subscription) for one in looked for subscription in _observed(one)]
    code = exit_code(one.error.exit_code for one in looked if one.error)
    if as_json:
        rows = [_listed(*pair) for pair in pairs]
        state.output.json({"subscriptions": rows, "errors": _errors(looked), "exit_code": code})
    else:
        table = Table(("source", "id", "state", "whose", "version", "address", "topics"))
        for row in (_listed(*pair) for pair in pairs):
            cells = (row["source"], row["id"], "enabled" if row["enabled"] else "DISABLED", row["whose"])
            table.add(*cells, row["api_version"] or "-", row["url"], ", ".join(row["topics"]))
        state.output.table(table)
        _complain(state, looked)
    raise typer.Exit(code)


def plan(context: typer.Context, *, source: Sources = None, prune: Prune = False, as_json: AsJson = False) -> None:
    """Show what `apply` would do, and change nothing.

    Exits 0 when every topic has its one subscription, 3 when something is to be done.
    """
    state = State.of(context)
    looked = _looked(state, source, prune=prune)
    left = any(one.changes or one.reported or (prune and one.extra) for one in looked)
    code = exit_code([*(one.error.exit_code for one in looked if one.error), 3 if left else 0])
    if as_json:
        state.output.json(_document(looked, prune=prune) | {"errors": _errors(looked), "exit_code": code})
    else:
        for line in (line for one in looked for line in _plan(one, prune=prune)):
            state.output.line(line)
        _complain(state, looked)
        state.output.line(_total(looked, prune=prune))
    raise typer.Exit(code)


def apply(context: typer.Context, *, source: Sources = None, prune: Prune = False, as_json: AsJson = False) -> None:
    """Make the subscriptions as they should be.

    Whatever a source lost while one of them was missing is backfilled and delivered at once.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    options = Options(sources=known_sources(config, source or ()), prune=prune)
    with wiring.working(state, config) as work:
        report = wiring.watched(state)(work, ("subscriptions",), options, "subscriptions apply")
    reports.show(state, report, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _looked(state: State, names: Sequence[str] | None, *, prune: bool) -> list[Looked]:
    config = wiring.load_config(state)
    options = Options(sources=known_sources(config, names or ()), dry_run=True, prune=prune)
    with wiring.working(state, config) as work:
        return list(look(work, options))


def _observed(one: Looked) -> Iterable[Subscription]:
    return one.found.situation.observed if one.found else ()


def _listed(one: Looked, subscription: Subscription) -> dict[str, Any]:
    return {
        "source": one.source.name,
        "id": subscription.id,
        "url": shown(subscription.url),
        "topics": list(subscription.topics),
        "enabled": subscription.enabled,
        "api_version": subscription.api_version,
        "whose": one.whose(subscription),
    }


def _plan(one: Looked, *, prune: bool) -> Iterator[str]:
    webhook = one.source.webhook
    if one.error is None:
        yield f"{one.source.name}: {one.why or (shown(webhook.url) if webhook and webhook.url else '')}"
    width = max((len(row.topic) for step in one.steps for row in step.rows), default=0)
    for step in one.steps:
        for row in step.rows:
            yield f"  {_SIGNS[row.action]} {row.topic:<{width}}  {row.found:<13}  {_will(step, row.action)}".rstrip()
        if step.why:
            yield f"      {step.why}"
    for extra in one.extra:
        will = "will be deleted" if prune else "stays; --prune deletes it"
        yield f"  {'-' if prune else ' '} {extra.id} to {shown(extra.url)}: ours, and not needed: {will}"


def _will(step: Step, action: Action) -> str:
    about = step.first or step.subscription
    place = f" ({about.id})" if about and action in (Action.ENABLED, Action.UPDATED) else ""
    instead = f", after {about.id} is deleted" if step.first and about else ""
    return f"{_WILL[action]}{place}{instead}"


def _total(looked: Sequence[Looked], *, prune: bool) -> str:
    changes, reported = sum(one.changes for one in looked), sum(one.reported for one in looked)
    deleted = sum(len(one.extra) for one in looked) if prune else 0
    if not (changes or reported or deleted):
        return "nothing to do" if not any(one.error for one in looked) else "nothing to do where the provider answered"
    does = f"; `reconcile subscriptions apply{' --prune' if prune else ''}` does it" if changes or deleted else ""
    return f"{changes} to mend, {deleted} to delete, {reported} for you to mend{does}"


def _document(looked: Sequence[Looked], *, prune: bool) -> dict[str, Any]:
    rows = [
        {"source": one.source.name, "topic": row.topic, "found": row.found, "action": row.action, "why": step.why}
        for one in looked
        for step in one.steps
        for row in step.rows
    ]
    deleted = [{"source": one.source.name, "id": extra.id} for one in looked for extra in one.extra]
    return {"subscriptions": rows, "deleted" if prune else "not_needed": deleted}


def _errors(looked: Sequence[Looked]) -> list[str]:
    return [f"{one.source.name}: {reason_of(one.source.name, one.error)}" for one in looked if one.error]


def _complain(state: State, looked: Sequence[Looked]) -> None:
    for error in _errors(looked):
        state.output.complain(f"error: {error}")
