"""What only the provider can say: do the credentials work, for which account, at what time, with which webhooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches

import httpx

from reconcile import when
from reconcile.check import subscriptions
from reconcile.check.finding import Finding, Level, failure
from reconcile.clock import SKEW_NOTED, Clock, Stop
from reconcile.config import HttpHandler, SourceConfig
from reconcile.connector import Connector, Receives, SeesSubscriptions, Signs
from reconcile.connector.finding import connector_class
from reconcile.connector.hooks import is_unsigned, known_topics
from reconcile.context import provider_client
from reconcile.errors import ConfigError, CredentialsRefused, ProviderError
from reconcile.http import ProviderClient
from reconcile.ledger.subscriptions import Ours
from reconcile.reading.planes import unlisted, wanted_streams
from reconcile.topics import Topics

#: Receivers refuse signatures further from their clock than this, ours among them.
SKEW_REFUSED = timedelta(minutes=5)
_ALONE = "let nothing depend on it alone"


def check(
    source: SourceConfig,
    clock: Clock,
    stop: Stop,
    transport: httpx.BaseTransport | None = None,
    ours: Sequence[Ours] = (),
) -> Iterator[Finding]:
    """One source: what its connector can do as configured, then what its provider answers.

    `ours` are the subscriptions recorded as ours.
    """
    connector = connector_class(source.connector)(source.settings)
    yield from _signing(source, connector)
    yield from _secrets(source, connector)
    yield from _unlisted(source, connector)
    yield from _misspelt(source, connector)
    client = provider_client(source, connector, clock, stop, transport)
    try:
        yield from _asked(source, connector, client, clock, ours)
    finally:
        client.close()


def _asked(
    source: SourceConfig, connector: Connector, client: ProviderClient, clock: Clock, ours: Sequence[Ours]
) -> Iterator[Finding]:
    try:
        greeting = connector.greet(client)
    except CredentialsRefused as error:
        refused = failure(source.name, error)
        yield replace(refused, what=f"credentials: {refused.what}")
        return
    except ProviderError as error:
        yield failure(source.name, error)
        return
    yield Finding(Level.OK, source.name, f"credentials: the provider knows us as {greeting.account or 'its owner'}")
    topics = Topics(source.webhook.topics if source.webhook else ())
    read = wanted_streams(connector.facts, topics, source.streams)
    yield from (Finding(Level.WARN, source.name, warning) for warning in greeting.heard(read))
    for name in (stream.name for stream in read if stream.name in greeting.unreadable):
        remedy = f"grant what is lacking, or leave {name} out of the source's streams"
        yield Finding(Level.FAIL, source.name, greeting.unreadable[name], remedy, CredentialsRefused.exit_code)
    for stream, earliest in greeting.limits.items():
        what = f"{stream} can be read from {when.stamp(earliest)} on only, with these credentials"
        yield Finding(Level.WARN, source.name, what, "ask the provider for the scope that reads further back")
    yield _skew(source, client, clock)
    if source.webhook is not None and isinstance(connector, SeesSubscriptions):
        yield from subscriptions.check(source, connector, client, ours)


def _skew(source: SourceConfig, client: ProviderClient, clock: Clock) -> Finding:
    if client.provider_date is None:
        what = "clock: the provider does not say what time it is, so windows settle twice as long"
        return Finding(Level.WARN, source.name, what, "keep this machine's clock set by NTP")
    skew = clock.now() - client.provider_date
    text = f"clock: ours is {when.off(skew)} the provider's"
    if abs(skew) >= SKEW_REFUSED:
        remedy = "set this machine's clock by NTP: signatures are refused beyond 5 minutes"
        return Finding(Level.FAIL, source.name, text, remedy, ConfigError.exit_code)
    if abs(skew) >= SKEW_NOTED:
        return Finding(Level.WARN, source.name, text, "set this machine's clock by NTP")
    return Finding(Level.OK, source.name, "clock: agrees with the provider's")


def _signing(source: SourceConfig, connector: Connector) -> Iterator[Finding]:
    if not isinstance(source.handler, HttpHandler):
        return
    if not isinstance(connector, Signs):
        what = f"handler: we cannot sign as {source.connector} does, so a receiver that verifies refuses what we send"
        yield Finding(Level.WARN, source.name, what, "let the receiver accept our Reconcile-Event header from us alone")
    elif source.webhook is None or not source.webhook.secrets:
        what = "handler: without webhook.secret nothing can be signed for it"
        remedy = "set webhook.secret to what the receiver verifies with"
        yield Finding(Level.FAIL, source.name, what, remedy, ConfigError.exit_code)


def _secrets(source: SourceConfig, connector: Connector) -> Iterator[Finding]:
    if is_unsigned(connector) or not isinstance(connector, Receives):
        return
    if source.webhook and source.webhook.url and not source.webhook.secrets:
        what = "webhook.secret is not set: our receiver accepts only what a subscription of our own making signs"
        yield Finding(Level.WARN, source.name, what, "set it, unless the app receives on its own and has `recorded:`")


def _unlisted(source: SourceConfig, connector: Connector) -> Iterator[Finding]:
    for topic, why in unlisted(connector.facts, Topics(source.webhook.topics if source.webhook else ())).items():
        what = f"topics: what is lost of {topic} cannot be found: {why}"
        known = [one.name for one in connector.facts.topics if one.stream]
        yield Finding(Level.WARN, source.name, what, _instead(known, topic, _ALONE))


def _misspelt(source: SourceConfig, connector: Connector) -> Iterator[Finding]:
    """A log proves complete what it is asked for, also where the provider never heard of it."""
    known = known_topics(connector)
    for topic in source.webhook.topics if source.webhook and known else ():
        wanted = Topics([topic])
        if not any(name in wanted for name in known):
            what = f"topics: {topic} is none that {source.connector} is known to have, so nothing may ever come of it"
            yield Finding(Level.WARN, source.name, what, _instead(known, topic, "compare it with the provider's list"))


def _instead(known: Sequence[str], topic: str, otherwise: str) -> str:
    """A name that is nearly one of the provider's is more often a slip than a topic of its own."""
    near = get_close_matches(topic, known, 1)
    return f"if {near[0]} is meant, name it so; else {otherwise}" if near else otherwise
