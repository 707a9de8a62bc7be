"""`events`: what was recorded, and sending it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import typer

from reconcile import when
from reconcile.cli import wiring
from reconcile.cli.options import AsJson, Limit, OneSource, known_sources, listed, subject
from reconcile.cli.output import Table
from reconcile.cli.state import State
from reconcile.config import Config
from reconcile.errors import ConfigError
from reconcile.ledger import Tx, attempts, views
from reconcile.ledger.views import EventFilter
from reconcile.model import EventState
from reconcile.operator import repair
from reconcile.operator.timeline import shown_version
from reconcile.safe import safe

Which = Annotated[
    str, typer.Argument(metavar="EVENT", help="The event's number or any id it is known by.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What was recorded, however it came.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    for command in (show, replay):
        group.command()(command)
    app.add_typer(group, name="events")


def list_(
    context: typer.Context,
    *,
    source: OneSource = "",
    state_: Annotated[
        list[EventState] | None,
        typer.Option(
            "--state", metavar="STATE", help="Only in this state; may be given more than once.", show_default=False
        ),
    ] = None,
    topic: Annotated[str, typer.Option(metavar="TOPIC", help="Only of this topic.", show_default=False)] = "",
    about: Annotated[
        str, typer.Option("--subject", metavar="TYPE/ID", help="Only about type/id.", show_default=False)
    ] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List recorded events, newest first."""
    state = State.of(context)
    config = wiring.load_config(state)
    names = known_sources(config, [source]) if source else ("",)
    wanted = EventFilter(names[0], tuple(state_ or ()), topic, subject(about) if about else None)
    with wiring.open_ledger(state, config) as ledger, ledger.read() as tx:
        rows = views.list_events(tx, wanted, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    if as_json:
        state.output.json({"events": [_summary(row) for row in rows]})
    else:
        state.output.table(_table(rows))
        state.output.line(_how_many(len(rows), more=more))


def _how_many(shown: int, *, more: bool) -> str:
    """There may be millions: they are not counted to say that there are more."""
    if more:
        return f"the newest {shown}; --limit shows more"
    return f"{when.times(shown, 'event')}" if shown else "no such events"


def show(
    context: typer.Context,
    *,
    which: Which,
    source: OneSource = "",
    body: Annotated[
        bool, typer.Option("--body", help="Print the body as well, its control characters visible.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one event.

    Its headers, the size of its body, and every attempt.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger, ledger.read() as tx:
        row = _one(tx, config, which, source)
        tries = attempts.listed(tx, [row.seq])
        aliases = [alias.id for alias in views.list_aliases(tx, [row.seq])]
    if as_json:
        flag = {"api_version_expected": not _unexpected(config, row)}
        state.output.json(_document(row, tries, aliases, body=body) | flag)
        return
    state.output.line("\n".join(_lines(row, aliases, _unexpected(config, row))))
    for name, value in sorted(state.output.redactor.mapping(_headers(row)).items()):
        state.output.line(f"  {safe(name)}: {safe(str(value))}")
    state.output.table(_attempts(tries))
    if body:
        state.output.line("\n" + row.body.decode("utf-8", "backslashreplace"), verbatim=True)


def replay(
    context: typer.Context,
    *,
    which: Annotated[list[str], typer.Argument(metavar="EVENT", help="Numbers or ids of events.", show_default=False)],
    source: OneSource = "",
) -> None:
    """Send events to their handler again.

    Handled ones too; the next dispatch delivers them.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        rows = [_one(tx, config, name, source) for name in which]
        done = [repair.replay(tx, config, row.source, row.seq) for row in rows]
    for row, sent in zip(rows, done, strict=True):
        waits = "waits for its handler" if sent else "is with its handler now; look again in a minute"
        state.output.line(f"#{row.seq} {row.source} {safe(row.topic)}: {waits}")
    state.output.line("now: reconcile run dispatch")


def _one(tx: Tx, config: Config, which: str, source: str) -> Any:
    """The event that is meant; `ConfigError` if there is none, or more than one."""
    names = known_sources(config, [source]) if source else tuple(config.sources)
    found = views.find_events(tx, which, names)
    if not found:
        raise ConfigError(
            f"no event of {listed(names)} is known by {which!r}; `reconcile events list` shows the newest"
        )
    if len(found) > 1:
        several = ", ".join(f"#{row.seq} of {row.source}" for row in found)
        raise ConfigError(f"{which!r} is more than one event: {several}; name it by --source or its number")
    return found[0]


def _table(rows: Sequence[Any]) -> Table:
    table = Table(("event", "source", "topic", "subject", "state", "origin", "recorded", "attempts", "bytes", "id"))
    for row in rows:
        about = f"{row.subject_type}/{row.subject_id}" if row.subject_id else "-"
        origin = f"{row.origin}, rebuilt" if row.reconstructed else row.origin
        size = (row.attempts, row.size, row.id)
        table.add(f"#{row.seq}", row.source, row.topic, about, row.state, origin, when.stamp(row.recorded_at), *size)
    return table


def _attempts(tries: Sequence[Any]) -> Table:
    table = Table(("attempt", "started", "seconds", "outcome", "error"))
    for one in tries:
        took = f"{(one.finished_at - one.started_at).total_seconds():.1f}"
        table.add(one.number, when.stamp(one.started_at), took, one.outcome, one.error)
    return table


def _summary(row: Any) -> dict[str, Any]:
    """An event as JSON without what is long or foreign: headers and body."""
    kept = {name: value for name, value in views.as_dict(row).items() if not isinstance(value, bytes)}
    return kept | {"body_hash": row.body_hash.hex(), "version": row.version}


def _document(row: Any, tries: Sequence[Any], aliases: Sequence[str], *, body: bool) -> dict[str, Any]:
    document = _summary(row) | {
        "size": len(row.body),
        "headers": _headers(row),
        "aliases": list(aliases),
        "tries": [views.as_dict(one) for one in tries],
    }
    return document | ({"body": row.body.decode("utf-8", "backslashreplace")} if body else {})


def _headers(row: Any) -> dict[str, str]:
    return msgspec.json.decode(row.headers, type=dict[str, str])


def _unexpected(config: Config, row: Any) -> bool:
    """Whether it came in an API version that its source does not name."""
    source = config.sources.get(row.source)
    accepted = source.webhook.api_versions if source and source.webhook else ()
    return bool(accepted and row.api_version) and row.api_version not in accepted


def _handled(row: Any) -> str:
    tries = when.times(row.attempts, "attempt")
    if row.handled_at is None:
        return f"no, after {tries}" if row.attempts else "no"
    return f"{when.stamp(row.handled_at)} after {tries}{', late' if row.late else ''}"


def _lines(row: Any, aliases: Sequence[str], unexpected: bool) -> Iterator[str]:  # noqa: FBT001 - a fact beside others
    rebuilt = ", rebuilt from a listed resource" if row.reconstructed else ""
    yield f"#{row.seq} {safe(row.topic)} of {row.source}: {row.state}"
    yield f"id:        {safe(row.id)}" + (f" (also {safe(', '.join(aliases))})" if aliases else "")
    yield f"subject:   {safe(row.subject_type)}/{safe(row.subject_id)}, version {shown_version(row.version)}"
    yield f"origin:    {row.origin}{rebuilt}, recorded {when.stamp(row.recorded_at)}"
    if row.api_version:
        flag = ", which webhook.api_versions does not name" if unexpected else ""
        yield f"API:       {safe(row.api_version)}{flag}"
    yield f"occurred:  {when.stamp(row.occurred_at)}"
    yield f"delivered: {when.times(row.duplicates, 'more time')}"
    yield f"handled:   {_handled(row)}"
    if row.error:
        yield f"error:     {safe(row.error, 2000)}"
    yield f"body:      {len(row.body)} bytes, SHA-256 {row.body_hash.hex()}"
