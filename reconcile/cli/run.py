"""`run` and `baseline`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from reconcile import records, runner, when
from reconcile.cli import reports, wiring
from reconcile.cli.options import WHEN, AsJson, Sources, instant, known_sources, listed
from reconcile.cli.state import State
from reconcile.cli.tallies import MISSING, RECORDED
from reconcile.config import Config, SourceConfig
from reconcile.connector.finding import connector_class
from reconcile.context import Options
from reconcile.errors import ConfigError
from reconcile.reading.planes import wanted_streams
from reconcile.topics import Topics

Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help=f"From when: {WHEN}.", show_default="the frontier of each stream")
]


#: The jobs that read no stream; of one that somebody added it is not known.
_IDLE = frozenset({"status-checks", "dispatch", "alerts", "purge"})


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(baseline)


def run(
    context: typer.Context,
    *,
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="JOB", help="What to do; without any, all jobs in their order.")
    ] = None,
    since: Since = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help=f"Until when: {WHEN}.", show_default="now")] = None,
    source: Sources = None,
    stream: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this stream; may be given more than once.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing anywhere; say what would be done.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Release what a closed valve holds.")] = False,
    recheck: Annotated[bool, typer.Option("--recheck", help="Read again what is already proven.")] = False,
    allow_reprocess: Annotated[
        bool, typer.Option("--allow-reprocess", help="Let --since reach back to where the record was purged.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find what was missed, deliver it, and report.

    Without a job: subscriptions, backfill, status-checks, dispatch, alerts, as far as they are installed.
    Without --since, each stream is read from its frontier.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    options = Options(
        since=instant(since, "--since", state.clock),
        until=instant(until, "--until", state.clock),
        sources=known_sources(config, source or ()),
        streams=_known_streams(config, source or (), stream or ()),
        dry_run=dry_run,
        force=force,
        recheck=recheck,
        allow_reprocess=allow_reprocess,
    )
    known = _known_jobs(jobs or ())
    _check_reading(known, {"--since": since, "--until": until, "--stream": stream, "--recheck": recheck})
    _execute(state, config, known, options, "run", as_json=as_json)


def baseline(
    context: typer.Context,
    *,
    since: Annotated[str, typer.Option(metavar="WHEN", help=f"From when: {WHEN}.", show_default=False)],
    source: Sources = None,
    as_json: AsJson = False,
) -> None:
    """Record what exists as handled already.

    For the first contact with an app that has been at work: no handler is called, and what happened before is
    never called missed.
    """
    state = State.of(context)
    config = wiring.load_config(state)
    options = Options(
        since=instant(since, "--since", state.clock), sources=known_sources(config, source or ()), baseline=True
    )
    _execute(state, config, ("backfill",), options, "baseline", as_json=as_json)


def _execute(
    state: State, config: Config, jobs: Sequence[str], options: Options, command: str, *, as_json: bool
) -> None:
    _check_window(state, options)
    if not jobs or "dispatch" in jobs:
        wiring.check_handlers(state, config, options.sources)
    with wiring.working(state, config) as work:
        if _reads(jobs):
            state.output.say(_window(options))
        report = wiring.watched(state, RECORDED if options.baseline else MISSING)(work, jobs, options, command)
    records.finished(report)
    reports.show(state, report, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _reads(jobs: Sequence[str]) -> bool:
    """Whether one of `jobs` reads streams; `subscriptions` does for a source that it mended."""
    return not jobs or not _IDLE.issuperset(jobs)


def _check_reading(jobs: Sequence[str], given: Mapping[str, object]) -> None:
    """An option that nothing would heed is refused: whoever gave it believes that something was read."""
    idle = [option for option, value in given.items() if value]
    if idle and not _reads(jobs):
        raise typer.BadParameter(f"{listed(jobs)} reads no stream; say `run backfill` too", param_hint=idle[0])


def _check_window(state: State, options: Options) -> None:
    if options.since and options.since > state.clock.now():
        raise typer.BadParameter(f"{when.stamp(options.since)} has not come yet", param_hint="--since")
    if options.since and options.until and options.since >= options.until:
        window = f"{when.stamp(options.until)} is not after --since {when.stamp(options.since)}"
        raise typer.BadParameter(window, param_hint="--until")


def _window(options: Options) -> str:
    """The resolved window: dates without an offset are UTC, and people should see what came of them."""
    start = f"since {when.stamp(options.since)}" if options.since else "from the frontier of each stream"
    return f"{start} until {when.stamp(options.until) if options.until else 'now'} (UTC)"


def _known_jobs(names: Sequence[str]) -> tuple[str, ...]:
    jobs = runner.installed()
    unknown = [name for name in names if name not in jobs]
    if unknown:
        raise ConfigError(f"no job is called {listed(unknown)}; there are: {listed(tuple(jobs))}")
    return tuple(dict.fromkeys(names))


def _known_streams(config: Config, sources: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """`names`, all of them read by one of the sources that are asked for; else `ConfigError` naming those there are."""
    chosen = [source for name, source in config.sources.items() if not sources or name in sources]
    known = {name for source in chosen for name in _streams_of(source)}
    unknown = [name for name in names if name not in known]
    if unknown:
        of = listed(source.name for source in chosen)
        raise ConfigError(f"no stream of {of} is called {listed(unknown)}; there are: {listed(sorted(known))}")
    return tuple(dict.fromkeys(names))


def _streams_of(source: SourceConfig) -> list[str]:
    topics = Topics(source.webhook.topics if source.webhook else ())
    facts = connector_class(source.connector)(source.settings).facts
    return [stream.name for stream in wanted_streams(facts, topics, source.streams)]
