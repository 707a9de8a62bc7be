"""Whether a source's handler can be called for every topic, and its app's own record be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from reconcile.check.finding import Finding, Level, failure
from reconcile.clock import Clock, Stop
from reconcile.config import HttpHandler, PythonHandler, RecordedCallable, SourceConfig
from reconcile.errors import ConfigError, ReconcileError
from reconcile.reading import recorded
from reconcile.targets import trial, wire
from reconcile.targets.loading import make_importable, topics_nobody_takes
from reconcile.targets.trial import Ended, Verdict

#: A key no app has: asking for it proves that asking works.
_NO_KEY = "reconcile:check"
_MEND_RECORD = "mend `recorded:` or what it names: nothing is recorded without it"


def tried(sources: Iterable[SourceConfig], folder: Path, clock: Clock, stop: Stop) -> Mapping[str, Verdict]:
    """What came of loading every function of an app that `sources` name; `folder` is that of the configuration:
    handlers may lie beside it.
    """
    return trial.load((ref for source in sources for ref in _named(source)), folder, clock, stop)


def _named(source: SourceConfig) -> Iterator[str]:
    if isinstance(source.handler, PythonHandler):
        yield source.handler.ref
    if isinstance(source.recorded, RecordedCallable):
        yield source.recorded.ref


def check(source: SourceConfig, folder: Path, verdicts: Mapping[str, Verdict]) -> Iterator[Finding]:
    """`verdicts` are those of `tried`."""
    make_importable(folder)
    yield from _handler(source, folder, verdicts)
    if source.recorded is not None:
        yield _unloadable(source, verdicts) or _record(source)


def require(sources: Iterable[SourceConfig], folder: Path, clock: Clock, stop: Stop) -> None:
    """Raise one `ConfigError` that names every source whose Python handler cannot be loaded, or takes too little.

    An app's record that cannot be loaded stops its own source only, unless loading it would end the process.
    """
    chosen = list(sources)
    verdicts = tried(chosen, folder, clock, stop)
    found = [
        _python(one, one.handler.ref, folder, verdicts) for one in chosen if isinstance(one.handler, PythonHandler)
    ]
    ending = {ref: verdict for ref, verdict in verdicts.items() if isinstance(verdict, Ended)}
    found += [one for source in chosen if (one := _unloadable(source, ending))]
    wrong = [finding for finding in found if finding.exit_code]
    if wrong:
        raise ConfigError(*(": ".join((one.area, "; ".join(filter(None, (one.what, one.remedy))))) for one in wrong))


def _handler(source: SourceConfig, folder: Path, verdicts: Mapping[str, Verdict]) -> Iterator[Finding]:
    match source.handler:
        case None:
            remedy = "name a `handler:` to have it delivered"
            yield Finding(Level.WARN, source.name, "no handler: what was missed is found, not delivered", remedy)
        case HttpHandler(url=url):
            yield Finding(Level.OK, source.name, f"handler: POST to {url.partition('?')[0]}")
        case PythonHandler(ref=ref):
            yield _python(source, ref, folder, verdicts)


def _python(source: SourceConfig, ref: str, folder: Path, verdicts: Mapping[str, Verdict]) -> Finding:
    handler = verdicts[ref]
    if isinstance(handler, wire.Broken | Ended):
        remedy = f"see that it is a handler and can be imported, also from {folder}, and neither ends nor waits then"
        return failure(source.name, ConfigError(handler.error), remedy)
    topics = source.webhook.topics if source.webhook else ()
    orphans = topics_nobody_takes(handler.topics, topics)
    if orphans:
        what = f"handler {ref} takes none of: {', '.join(orphans)}"
        return Finding(Level.FAIL, source.name, what, "register a function for it, or drop the topic", exit_code=2)
    session = ", with a session: exactly once" if handler.takes_session else ""
    return Finding(Level.OK, source.name, f"handler {ref} takes every topic{session}")


def _unloadable(source: SourceConfig, verdicts: Mapping[str, Verdict]) -> Finding | None:
    verdict = verdicts.get(source.recorded.ref) if isinstance(source.recorded, RecordedCallable) else None
    if isinstance(verdict, wire.Broken | Ended):
        return failure(source.name, ConfigError(verdict.error), _MEND_RECORD)
    return None


def _record(source: SourceConfig) -> Finding:
    try:
        ask = recorded.of(source)
        answer = ask([_NO_KEY]) if ask else ()
    except ReconcileError as error:
        return failure(source.name, error, _MEND_RECORD)
    if answer:
        what = f"recorded: says it handled {_NO_KEY!r}, which never happened"
        return Finding(Level.FAIL, source.name, what, "return only the keys that are there", exit_code=2)
    return Finding(Level.OK, source.name, "recorded: the app's own record answers")
