"""`/v1/webhook_endpoints`: listing, making, changing and deleting."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from reconcile.sandbox.fake import Json
from reconcile.sandbox.stripe import listing
from reconcile.sandbox.stripe.endpoints import MAX_ENDPOINTS, Endpoint, Endpoints
from reconcile.sandbox.stripe.event_types import EVENT_TYPES
from reconcile.sandbox.stripe.params import Params, error


class EndpointsApi:
    """Answers for webhook endpoints. The secret is in the answer that made it, and nowhere else."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def found(self, params: Params, account: str) -> list[Endpoint]:
        """What a list holds; it has no `created` filter."""
        params.only(single=listing.PAGING)
        return self._endpoints.of(account)

    def create(self, params: Params, account: str) -> Json:
        """Make one. `disabled` cannot be set here; `api_version` and `connect` only here."""
        params.only(
            single={"url", "api_version", "connect", "description"}, lists={"enabled_events"}, nested={"metadata"}
        )
        url, events = params.single.get("url", ""), params.lists.get("enabled_events", [])
        for name, value in (("url", url), ("enabled_events", events)):
            if not value:
                raise error(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
        _check_url(url, livemode=self._endpoints.livemode)
        _check_events(events)
        if len(self._endpoints.of(account)) >= MAX_ENDPOINTS:
            raise error(400, f"You have reached the maximum of {MAX_ENDPOINTS} webhook endpoints.")
        endpoint = self._endpoints.add(
            url,
            events,
            account=account,
            api_version=params.single.get("api_version"),
            connect=bool(params.boolean("connect")),
            description=params.single.get("description"),
            metadata=params.nested.get("metadata"),
        )
        return {**show(endpoint), "secret": endpoint.secret}

    def change(self, endpoint: Endpoint, params: Params) -> Json:
        """Change one. The request says `disabled`, the answer says `status`."""
        params.only(single={"url", "disabled", "description"}, lists={"enabled_events"}, nested={"metadata"})
        if "url" in params.single:
            _check_url(params.single["url"], livemode=endpoint.livemode)
            endpoint.url = params.single["url"]
        if "enabled_events" in params.lists:
            _check_events(params.lists["enabled_events"])
            endpoint.enabled_events = tuple(params.lists["enabled_events"])
        disabled = params.boolean("disabled")
        if disabled is not None:
            endpoint.enabled = not disabled
            endpoint.failing_since = None
        endpoint.description = params.single.get("description", endpoint.description)
        endpoint.metadata |= params.nested.get("metadata", {})
        return show(endpoint)

    def delete(self, endpoint: Endpoint) -> Json:
        """Delete one."""
        self._endpoints.remove(endpoint.id)
        return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}


def show(endpoint: Endpoint) -> Json:
    """An endpoint as every answer but the first shows it."""
    return {
        "id": endpoint.id, "object": "webhook_endpoint", "api_version": endpoint.api_version,
        "application": None, "created": endpoint.created, "description": endpoint.description,
        "enabled_events": list(endpoint.enabled_events), "livemode": endpoint.livemode,
        "metadata": endpoint.metadata, "status": "enabled" if endpoint.enabled else "disabled",
        "url": endpoint.url,
    }  # fmt: skip


def _check_url(url: str, *, livemode: bool) -> None:
    parts = urlsplit(url)
    if livemode and parts.scheme == "http":
        raise error(400, "Invalid URL: URL must be HTTPS in live mode.", code="url_invalid", param="url")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        text = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise error(400, text, code="url_invalid", param="url")


def _check_events(names: Iterable[str]) -> None:
    for position, name in enumerate(names):
        if name != "*" and name not in EVENT_TYPES:
            text = f"Invalid enabled_events[{position}]: must be one of * or a known event type"
            raise error(400, text, param=f"enabled_events[{position}]")
