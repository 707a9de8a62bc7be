"""Whether every topic has its subscription: the comparison that `reconcile subscriptions plan` makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconcile.check.finding import Finding, Level, failure
from reconcile.config import SourceConfig, WebhookConfig
from reconcile.config.urls import shown
from reconcile.connector import ManagesSubscriptions, SeesSubscriptions, Subscription
from reconcile.errors import ProviderError
from reconcile.http import ProviderClient
from reconcile.ledger.subscriptions import Ours
from reconcile.subscriptions.compare import compare
from reconcile.subscriptions.plan import Found, Situation, is_at, sends
from reconcile.subscriptions.source import usable, wanted_of

_SAID = {
    Found.MISSING: "the provider sends no {topics} to {url}",
    Found.DISABLED: "{id} to {url} is disabled: {topics}",
    Found.WRONG_TOPICS: "the provider sends no {topics} to {url}: {id} lacks it",
    Found.WRONG_URL: "{id}, which we made, sends {topics} to another address than {url}",
    Found.WRONG_VERSION: "{topics} comes to {url} in an API version or format that is not in webhook.api_versions",
    Found.DUPLICATE: "{topics} is sent to {url} more than once",
}


def check(
    source: SourceConfig, connector: SeesSubscriptions, client: ProviderClient, ours: Sequence[Ours]
) -> Iterator[Finding]:
    """`ours` are the subscriptions recorded as ours, none where the ledger cannot be asked."""
    webhook = source.webhook
    if webhook is None or webhook.url is None:
        remedy = "set webhook.url to where live deliveries go, and it is compared with what the provider has"
        yield Finding(Level.WARN, source.name, "subscriptions: webhook.url is not set", remedy)
        return
    try:
        observed = list(connector.subscriptions(client))
    except ProviderError as error:
        yield failure(source.name, error)
        return
    if isinstance(connector, ManagesSubscriptions):
        yield from _compared(source, webhook, connector, observed, ours)
    else:
        yield from _seen(source, webhook, webhook.url, observed)


def _compared(
    source: SourceConfig,
    webhook: WebhookConfig,
    connector: ManagesSubscriptions,
    observed: Sequence[Subscription],
    ours: Sequence[Ours],
) -> Iterator[Finding]:
    situation = Situation(observed, connector.mend, usable(ours, observed), webhook.api_versions)
    wrong: dict[tuple[Found, str], list[str]] = {}
    for step in compare(wanted_of(webhook, connector), situation).steps:
        for row in step.rows:
            if row.found is not Found.OK:
                wrong.setdefault((row.found, step.subscription.id if step.subscription else ""), []).append(row.topic)
    url = shown(webhook.url or "")
    for (found, id_), topics in wrong.items():
        what = _SAID[found].format(topics=", ".join(topics), url=url, id=id_)
        yield Finding(Level.WARN, source.name, f"subscriptions: {what}", _remedy(source))
    if not wrong:
        yield Finding(Level.OK, source.name, f"subscriptions: every topic is sent to {url}")


def _remedy(source: SourceConfig) -> str:
    return f"see `reconcile subscriptions plan --source {source.name}`; until it is mended, backfills find what is lost"


def _seen(
    source: SourceConfig, webhook: WebhookConfig, url: str, observed: Sequence[Subscription]
) -> Iterator[Finding]:
    """Of a provider whose subscriptions can be looked at only."""
    here = [one for one in observed if is_at(one, url)]
    lacking = [name for name in webhook.topics if not any(one.enabled and sends(one, name) for one in here)]
    if lacking:
        what = f"subscriptions: the provider sends no {', '.join(lacking)} to {shown(url)}"
        yield Finding(Level.WARN, source.name, what, "subscribe at the provider, or only backfills will find them")
    else:
        yield Finding(Level.OK, source.name, f"subscriptions: every topic is sent to {shown(url)}")
