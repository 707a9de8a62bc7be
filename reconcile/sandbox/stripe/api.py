"""The v1 API of a fake Stripe. v2, search and `expand` are not part of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import httpx

from reconcile.clock import Clock
from reconcile.sandbox.fake import Json, Lag, Refusal, respond
from reconcile.sandbox.stripe import listing, params
from reconcile.sandbox.stripe.account import Platform
from reconcile.sandbox.stripe.billing import Billing
from reconcile.sandbox.stripe.endpoints import Endpoint
from reconcile.sandbox.stripe.endpoints_api import EndpointsApi, show
from reconcile.sandbox.stripe.limits import RateLimits
from reconcile.sandbox.stripe.params import error
from reconcile.sandbox.stripe.records import Event, Row, pretty
from reconcile.sandbox.truth import Delivery

RETENTION = timedelta(days=30)
KEYS_LAST = timedelta(hours=24)
LONGEST_KEY = 255
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
_PATH = re.compile(r"/v1/(checkout/sessions|[a-z_]+)(?:/([A-Za-z0-9_]+))?(?:/(retry))?")


class FakeStripe(Platform, Billing):
    """A platform account, its connected accounts, and the API in front of them.

    Actions on the platform's own account are methods here; `connect("acct_2")` returns those of a connected one.
    `lag` is how many seconds an event or object takes to show in lists. `throttle=False` lifts the rate limits.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str = "sk_test_dummy",
        account: str = "acct_main",
        api_version: str = "2026-10-28.endive",
        livemode: bool = False,
        lag: Lag = 0.0,
        throttle: bool = True,
        seed: int = 0,
    ) -> None:
        Platform.__init__(self, clock, seed, lag, account, api_version, livemode=livemode)
        Billing.__init__(self, self, account)
        self.api_keys = {api_key}
        self.accounts: dict[str, Billing] = {account: self}
        self._limits = RateLimits(clock, livemode=livemode) if throttle else None
        self._endpoints_api = EndpointsApi(self.endpoints)
        self.done_badly = 0  # so many of the next POSTs do what they should and answer 500, now and under their key
        self._replays: dict[str, tuple[datetime, bytes, httpx.Response]] = {}

    def connect(self, account_id: str) -> Billing:
        """A connected account, made if it is new."""
        return self.accounts.setdefault(account_id, Billing(self, account_id))

    def subscribe(
        self, url: str, enabled_events: Sequence[str], *, api_version: str | None = None, connect: bool = False
    ) -> Endpoint:
        """Make an endpoint without asking the API; its `secret` signs."""
        return self.endpoints.add(url, enabled_events, api_version=api_version, connect=connect)

    def headers_of(self, delivery: Delivery) -> dict[str, str]:
        """Headers of an attempt to deliver, signed now."""
        with self.lock:
            return self.endpoints.headers(delivery)

    def owed(self, delivery: Delivery) -> bool:
        """Whether the provider would still send it."""
        with self.lock:
            return self.endpoints.owed(delivery)

    def report(self, delivery: Delivery, *, ok: bool) -> float | None:
        """Note how an attempt went; seconds until the next one, None if there will be none."""
        with self.lock:
            return self.endpoints.report(delivery, ok=ok)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        account = self._authorized(request)
        match = _PATH.fullmatch(request.url.path)
        if match is None:
            raise self._unrecognized(request)
        if self._limits is not None:
            self._limits.take(f"{request.method} {match[1]}")
        if request.method == "POST":
            return self._once(request, account, match)
        return self._reply(self._route(request, account, match), self._common(request))

    def _refuse(self, refusal: Refusal) -> httpx.Response:
        request_id = "req_" + self.dice.token(14)
        body = refusal.body
        if isinstance(body, dict):
            url = f"https://dashboard.stripe.com/logs/{request_id}"
            body = {"error": {**body["error"], "request_log_url": url}}
        return respond(refusal.status, pretty(body), {"Request-Id": request_id, **refusal.headers})

    def _common(self, request: httpx.Request) -> dict[str, str]:
        version = request.headers.get("Stripe-Version", self.api_version)
        return {"Request-Id": "req_" + self.dice.token(14), "Stripe-Version": version}

    @staticmethod
    def _reply(body: Json, headers: Mapping[str, str]) -> httpx.Response:
        return respond(200, pretty(body), headers)

    def _authorized(self, request: httpx.Request) -> Billing:
        key = _key(request.headers.get("Authorization", ""))
        if key not in self.api_keys:
            text = f"Invalid API Key provided: {_masked(key)}" if key else "You did not provide an API key."
            raise Refusal(401, {"error": {"message": text, "type": "invalid_request_error"}})
        version = request.headers.get("Stripe-Version", self.api_version)
        if not _VERSION.fullmatch(version):
            raise error(400, f"Invalid Stripe API version: {version}")
        account = self.accounts.get(request.headers.get("Stripe-Account", self.account_id))
        if account is None:
            text = (
                f"The provided key '{_masked(key)}' does not have access to account "
                f"'{request.headers['Stripe-Account']}' (or that account does not exist)."
            )
            raise error(403, text, code="account_invalid")
        return account

    def _once(self, request: httpx.Request, account: Billing, match: re.Match[str]) -> httpx.Response:
        """Idempotency: a key seen before gets the stored answer, a 500 too; with other parameters it is a 400.

        A request that is refused for its parameters is not stored. Keys are forgotten after a day.
        Source: https://docs.stripe.com/api/idempotent_requests.
        """
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > LONGEST_KEY:
            raise error(400, f"Idempotency keys can be at most {LONGEST_KEY} characters.", kind="idempotency_error")
        seen = self._replays.get(key)
        if seen and self.clock.now() - seen[0] < KEYS_LAST:
            _, body, answer = seen
            if body != request.content:
                text = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                )
                raise error(400, text, kind="idempotency_error")
            return respond(answer.status_code, answer.content, {**answer.headers, "Idempotent-Replayed": "true"})
        answer = self._reply(self._route(request, account, match), self._common(request))
        if self.done_badly:
            self.done_badly -= 1
            answer = respond(500, pretty({"error": {"message": "An unknown error occurred", "type": "api_error"}}), {})
        if key:
            self._replays[key] = (self.clock.now(), request.content, answer)
        return answer

    def _route(self, request: httpx.Request, account: Billing, match: re.Match[str]) -> Json:
        resource, object_id, action = match.groups()
        asked = params.read(request)
        if resource == "webhook_endpoints":
            return self._hooks(request, account, asked, object_id)
        if resource == "events" and action == "retry" and request.method == "POST":
            return self._resend(self._event(account, object_id), account, asked)
        if request.method != "GET" or action:
            raise self._unrecognized(request)
        if resource == "account" and not object_id:
            return self._about(account)
        if resource == "events":
            return self._event(account, object_id).render() if object_id else self._events(account, asked)
        if resource not in listing.RESOURCES:
            raise self._unrecognized(request)
        return self._read(account, resource, object_id) if object_id else self._list(account, resource, asked)

    def _unrecognized(self, request: httpx.Request) -> Refusal:
        text = f"Unrecognized request URL ({request.method}: {request.url.path})."
        return error(404, text)

    def _about(self, account: Billing) -> Json:
        return {
            "id": account.account_id, "object": "account", "business_type": None, "charges_enabled": True,
            "country": "US", "default_currency": "usd", "details_submitted": True,
            "email": "ops@acme.example", "payouts_enabled": True, "type": "standard",
        }  # fmt: skip

    def _remembered(self, account: Billing) -> dict[str, Event]:
        edge = (self.clock.now() - RETENTION).timestamp()
        return {event.id: event for event in account.events.values() if event.created >= edge}

    def _event(self, account: Billing, event_id: str) -> Event:
        event = self._remembered(account).get(event_id)
        if event is None:
            raise error(404, f"No such event: '{event_id}'", code="resource_missing", param="id")
        return event

    def _events(self, account: Billing, asked: params.Params) -> Json:
        known = self._remembered(account)
        found = listing.events(asked, known.values())
        items, more = listing.page(listing.window(asked), found, known, self.clock.now())
        return _listed("/v1/events", [event.render() for event in items], has_more=more)

    def _list(self, account: Billing, resource: str, asked: params.Params) -> Json:
        facts = listing.RESOURCES[resource]
        known = {row.id: row for row in account.rows[facts.kind].values() if not row.deleted}
        found = listing.rows(facts, asked, known.values())
        items, more = listing.page(listing.window(asked), found, known, self.clock.now())
        return _listed(f"/v1/{resource}", [row.body for row in items], has_more=more)

    def _read(self, account: Billing, resource: str, object_id: str) -> Json:
        kind = listing.RESOURCES[resource].kind
        row: Row | None = account.rows[kind].get(object_id)
        if row is None:
            raise error(404, f"No such {kind}: '{object_id}'", code="resource_missing", param="id")
        return {"id": row.id, "object": kind, "deleted": True} if row.deleted else row.body

    def _hooks(self, request: httpx.Request, account: Billing, asked: params.Params, object_id: str | None) -> Json:
        api = self._endpoints_api
        if object_id is None:
            if request.method == "POST":
                return api.create(asked, account.account_id)
            found = api.found(asked, account.account_id)
            known = {endpoint.id: endpoint for endpoint in found}
            items, more = listing.page(listing.window(asked), found, known, self.clock.now())
            return _listed("/v1/webhook_endpoints", [show(item) for item in items], has_more=more)
        endpoint = self.endpoints.get(object_id, account.account_id)
        if endpoint is None:
            text = f"No such webhook endpoint: '{object_id}'"
            raise error(404, text, code="resource_missing", param="webhook_endpoint")
        if request.method == "GET":
            return show(endpoint)
        return api.delete(endpoint) if request.method == "DELETE" else api.change(endpoint, asked)

    def _resend(self, event: Event, account: Billing, asked: params.Params) -> Json:
        """Undocumented; the official command line tool uses it. It sends once more to one endpoint."""
        endpoint = self.endpoints.get(asked.single.get("webhook_endpoint", ""), account.account_id)
        if endpoint is None:
            raise error(404, "No such webhook endpoint", code="resource_missing", param="webhook_endpoint")
        self.outbox.append(self.endpoints.delivery(event, endpoint))
        return event.render()


def _listed(url: str, data: Sequence[Json], *, has_more: bool) -> Json:
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def _key(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return value if scheme.lower() == "bearer" else ""


def _masked(key: str) -> str:
    return f"{key[:8]}***{key[-4:]}" if len(key) > 12 else "***"
