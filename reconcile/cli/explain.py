"""`explain`: what happened to one subject."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from reconcile import when
from reconcile.cli import wiring
from reconcile.cli.options import AsJson, OneSource, known_sources, listed, subject
from reconcile.cli.output import Table
from reconcile.cli.state import State
from reconcile.ledger import Ledger, views
from reconcile.operator import timeline
from reconcile.operator.timeline import Story


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    context: typer.Context,
    *,
    about: Annotated[str, typer.Argument(metavar="SUBJECT", help="type/id, such as order/1001.", show_default=False)],
    source: OneSource = "",
    as_json: AsJson = False,
) -> None:
    """Tell what happened to one subject.

    Deliveries, rebuilt events, attempts, duplicates and gaps, in order of time.
    """
    state = State.of(context)
    config, wanted = wiring.load_config(state), subject(about)
    names = known_sources(config, [source]) if source else tuple(config.sources)
    with wiring.open_ledger(state, config) as ledger:
        stories = [story for name in names if (story := timeline.tell(ledger, name, wanted))]
        if as_json:
            state.output.json({"stories": [asdict(story) for story in stories]})
        elif not stories:
            state.output.line(_nothing(ledger, about, names))
    for story in stories if not as_json else ():
        _show(state, story)


def _nothing(ledger: Ledger, about: str, names: tuple[str, ...]) -> str:
    with ledger.read() as tx:
        types = sorted({type_ for name in names for type_ in views.subject_types(tx, name)})
    return f"nothing is recorded about {about} in {listed(names)}; there are subjects of type: {listed(types)}"


def _show(state: State, story: Story) -> None:
    state.output.line("\n".join(_head(story)))
    table = Table(("at (UTC)", "event", "what", ""))
    for entry in story.entries:
        table.add(when.stamp(entry.at), f"#{entry.seq}" if entry.seq else "", entry.what, entry.text)
    state.output.table(table)
    for sentence in story.now:
        state.output.line(sentence)


def _head(story: Story) -> Iterator[str]:
    yield f"{story.source} {story.subject}: newest known version {story.version}"
    if story.deleted_at:
        yield f"gone at the provider since {when.stamp(story.deleted_at)}"
    if story.cut:
        yield f"{story.cut} older events are not shown"
