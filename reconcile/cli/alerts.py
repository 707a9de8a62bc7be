"""`alerts`: what people were told or will be, who takes care of it, and whether mail leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from reconcile import when
from reconcile.alerts import delivery, outbox, smtp
from reconcile.cli import wiring
from reconcile.cli.options import LARGEST, AsJson, Limit, OneSource, known_sources
from reconcile.cli.output import Table
from reconcile.cli.signals import stopping
from reconcile.cli.state import State
from reconcile.config import AlertsConfig, Config
from reconcile.config.durations import parse_duration
from reconcile.errors import ConfigError
from reconcile.ledger import Tx, incidents, mails
from reconcile.ledger.incidents import Incident
from reconcile.ledger.mails import Mail, Recipient
from reconcile.model import IncidentKind

Kind = Annotated[
    IncidentKind | None, typer.Option("--kind", metavar="KIND", help="Only this kind.", show_default=False)
]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="INCIDENT", max=LARGEST, help="Numbers of incidents; without any, all that --source and --kind choose."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="What people are told, and whether it arrives.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("list")(list_)
    for command in (ack, snooze, test):
        group.command()(command)
    app.add_typer(group, name="alerts")


def list_(
    context: typer.Context,
    *,
    source: OneSource = "",
    kind: Kind = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List open incidents and mail that has not arrived.

    As the last run of the job `alerts` found them.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    name = known_sources(config, [source])[0] if source else None
    with wiring.open_ledger(state, config) as ledger, ledger.read() as tx:
        found = incidents.find(tx, source=name, kind=kind, open_only=not every, limit=limit)
        total = incidents.count(tx, source=name, kind=kind, open_only=not every)
        unsent = mails.outstanding(tx)
    if as_json:
        state.output.json({"incidents": [asdict(one) for one in found], "incidents_total": total} | _mail(unsent))
        return
    state.output.table(_table(state, found))
    what = "incidents" if every else "open incidents"
    state.output.line(f"{len(found)} of {total} {what}" if total else f"no {what}")
    for one in found if len(found) <= 10 else ():
        if one.command and one.state == incidents.OPEN:
            state.output.line(f"#{one.id}: {one.command}", verbatim=True)
    _show_unsent(state, unsent)


def ack(context: typer.Context, *, numbers: Numbers = None, source: OneSource = "", kind: Kind = None) -> None:
    """Take incidents on.

    Nobody is told of them again, except that they are over.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        number = incidents.acknowledge(tx, _chosen(tx, config, numbers or (), source, kind))
    state.output.line(f"{number} acknowledged")


def snooze(
    context: typer.Context,
    *,
    numbers: Numbers = None,
    length: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long: 30m, 4h, 7d.", show_default=False)
    ],
    source: OneSource = "",
    kind: Kind = None,
) -> None:
    """Be told of incidents later.

    Nobody is told of them before then, except that they are over.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    span = _duration(length)
    with wiring.open_ledger(state, config) as ledger, ledger.write() as tx:
        until = tx.now + span
        number = incidents.snooze(tx, _chosen(tx, config, numbers or (), source, kind), until)
    state.output.line(f"{number} snoozed until {when.stamp(until)}")


def test(context: typer.Context) -> None:
    """Send one mail, and show the server's answer.

    It goes to the operators, and says nothing but that it arrived. Exits 3 unless every address was accepted.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    if config.alerts is None:
        raise ConfigError(
            f"{config.path}: there is no section `alerts`: nobody to write to; add the one that `reconcile init` shows"
        )
    mail = outbox.trial(config.alerts, state.clock.now())
    with stopping(state.stop):
        accepted = _try(state, config.alerts, mail)
    raise typer.Exit(0 if accepted else 3)


def _try(state: State, alerts: AlertsConfig, mail: Mail) -> bool:
    try:
        with smtp.connect(alerts.smtp.get_secret_value(), alerts.from_, state.stop) as session:
            verdicts = delivery.post(session, alerts, mail)
    except smtp.Unreachable as error:
        state.output.complain(f"reconcile: nothing was sent: {error}")
        return False
    for address, verdict in verdicts.items():
        state.output.line(f"{address}: {'accepted' if verdict.accepted else 'refused'}: {verdict.said}")
    state.output.line(f"Message-ID: {mail.letter.message_id}")
    return all(verdict.accepted for verdict in verdicts.values())


def _duration(text: str) -> timedelta:
    try:
        span = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if not span:
        raise typer.BadParameter("must be longer than nothing", param_hint="--for")
    return span


def _chosen(tx: Tx, config: Config, numbers: Sequence[int], source: str, kind: IncidentKind | None) -> list[int]:
    """The incidents that are meant: by number, or all open ones of a source or kind, never simply all."""
    for number in numbers:
        one = incidents.get(tx, number)
        if one is None:
            raise ConfigError(f"there is no incident {number}; `reconcile alerts list` shows those there are")
        if one.state != incidents.OPEN:
            raise ConfigError(f"incident {number} is over; `reconcile alerts list` shows those that are open")
    if numbers:
        return list(numbers)
    if not source and kind is None:
        raise typer.BadParameter(
            "name incidents by number, or choose them with --source or --kind", param_hint="INCIDENT"
        )
    names = known_sources(config, [source]) if source else ()
    return [one.id for one in incidents.find(tx, source=names[0] if names else None, kind=kind)]


def _table(state: State, found: Sequence[Incident]) -> Table:
    table = Table(("incident", "source", "kind", "since", "state", "what"))
    now = state.clock.now()
    for one in found:
        amount = f" ({one.amount} {one.currency})" if one.amount else ""
        said = f"{one.summary}{amount}{f' [{one.note}]' if one.note else ''}"
        table.add(one.id, one.source or "-", one.kind, when.stamp(one.since), one.standing(now), said)
    return table


def _show_unsent(state: State, unsent: Sequence[tuple[Mail, Sequence[Recipient]]]) -> None:
    if not unsent:
        return
    table = Table(("mail", "written", "to", "state", "attempts", "reason"))
    for mail, rows in unsent:
        for row in rows:
            if row.state != mails.SENT:
                table.add(mail.id, when.stamp(mail.created_at), row.address, row.state, row.attempts, row.error)
    state.output.line("Mail that has not arrived:")
    state.output.table(table)
    state.output.line("`reconcile run alerts` tries what is queued at once")


def _mail(unsent: Sequence[tuple[Mail, Sequence[Recipient]]]) -> dict[str, Any]:
    rows = [
        asdict(row) | {"written_at": mail.created_at, "subject": mail.letter.subject}
        for mail, rows in unsent
        for row in rows
        if row.state != mails.SENT
    ]
    return {"unsent": rows}
