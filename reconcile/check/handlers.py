"""Whether a source's handler can be called for every topic, and its app's own record be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from reconcile.check.finding import Finding, Level, failure
from reconcile.config import HttpHandler, PythonHandler, SourceConfig
from reconcile.errors import ConfigError, ReconcileError
from reconcile.reading import recorded
from reconcile.targets.loading import load_handler, make_importable, topics_nobody_takes

#: A key no app has: asking for it proves that asking works.
_NO_KEY = "reconcile:check"


def check(source: SourceConfig, folder: Path) -> Iterator[Finding]:
    """`folder` is that of the configuration: handlers may lie beside it."""
    make_importable(folder)
    yield from _handler(source, folder)
    if source.recorded is not None:
        yield _record(source)


def require(sources: Iterable[SourceConfig], folder: Path) -> None:
    """Raise one `ConfigError` that names every source whose Python handler cannot be loaded, or takes too little."""
    found = [_python(one, one.handler.ref, folder) for one in sources if isinstance(one.handler, PythonHandler)]
    wrong = [finding for finding in found if finding.exit_code]
    if wrong:
        raise ConfigError(*(": ".join((one.area, "; ".join(filter(None, (one.what, one.remedy))))) for one in wrong))


def _handler(source: SourceConfig, folder: Path) -> Iterator[Finding]:
    match source.handler:
        case None:
            remedy = "name a `handler:` to have it delivered"
            yield Finding(Level.WARN, source.name, "no handler: what was missed is found, not delivered", remedy)
        case HttpHandler(url=url):
            yield Finding(Level.OK, source.name, f"handler: POST to {url.partition('?')[0]}")
        case PythonHandler(ref=ref):
            yield _python(source, ref, folder)


def _python(source: SourceConfig, ref: str, folder: Path) -> Finding:
    try:
        handler = load_handler(ref, folder)
    except ReconcileError as error:
        return failure(source.name, error, f"see that it is a handler and can be imported, also from {folder}")
    topics = source.webhook.topics if source.webhook else ()
    orphans = topics_nobody_takes(handler.topics, topics)
    if orphans:
        what = f"handler {ref} takes none of: {', '.join(orphans)}"
        return Finding(Level.FAIL, source.name, what, "register a function for it, or drop the topic", exit_code=2)
    session = ", with a session: exactly once" if handler.takes_session else ""
    return Finding(Level.OK, source.name, f"handler {ref} takes every topic{session}")


def _record(source: SourceConfig) -> Finding:
    try:
        ask = recorded.of(source)
        answer = ask([_NO_KEY]) if ask else ()
    except ReconcileError as error:
        return failure(source.name, error, "mend `recorded:` or what it names: nothing is recorded without it")
    if answer:
        what = f"recorded: says it handled {_NO_KEY!r}, which never happened"
        return Finding(Level.FAIL, source.name, what, "return only the keys that are there", exit_code=2)
    return Finding(Level.OK, source.name, "recorded: the app's own record answers")
