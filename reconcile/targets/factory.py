"""From a source's configuration to its target."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconcile.config import HttpHandler, PythonHandler, SourceConfig
from reconcile.connector import Signs
from reconcile.context import Context
from reconcile.errors import ConfigError
from reconcile.http import RateBudget
from reconcile.logs import secrets_of
from reconcile.model import Event
from reconcile.targets.http import HttpTarget, Sign
from reconcile.targets.loading import topics_nobody_takes
from reconcile.targets.model import Target
from reconcile.targets.pool import PythonTarget


def make(context: Context, source: SourceConfig) -> Target:
    """The target of `source`. Raises `ConfigError` if it has none, or one that cannot be loaded or takes too little."""
    match source.handler:
        case PythonHandler():
            return _python(context, source, source.handler)
        case HttpHandler():
            return _http(context, source, source.handler)
    raise ConfigError(f"sources.{source.name}: there is no `handler:` to deliver to; add one")


def _python(context: Context, source: SourceConfig, handler: PythonHandler) -> PythonTarget:
    target = PythonTarget(
        handler.ref,
        context.config.path.parent,
        context.clock,
        ledger_url=context.config.ledger.get_secret_value(),
        timeout=source.timeout.total_seconds(),
        secrets=tuple(secrets_of(context.config)),
    )
    orphans = topics_nobody_takes(target.topics, source.webhook.topics if source.webhook else ())
    if orphans:
        target.close()
        raise ConfigError(
            f"sources.{source.name}.webhook.topics: handler {handler.ref} takes none of {', '.join(orphans)}; "
            "register a function for it, or drop the topic"
        )
    return target


def _http(context: Context, source: SourceConfig, handler: HttpHandler) -> HttpTarget:
    return HttpTarget(
        handler.url,
        context.clock,
        timeout=source.timeout.total_seconds(),
        sign=_signer(context, source),
        concurrency=handler.concurrency,
        budget=RateBudget(handler.rate, context.clock) if handler.rate is not None else None,
        secrets=tuple(secrets_of(context.config)),
    )


def _signer(context: Context, source: SourceConfig) -> Sign | None:
    """With the newest secret; None where the provider's scheme cannot be made by us or there is no secret."""
    connector = context.connector(source)
    if not isinstance(connector, Signs) or source.webhook is None or not source.webhook.secrets:
        return None
    signer, secret = connector, source.webhook.secrets[0].get_secret_value()

    def sign(event: Event, now: datetime) -> Mapping[str, str]:
        return signer.sign(event, secret, now)

    return sign
