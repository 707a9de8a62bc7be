"""Who may ask a fake shop, for what, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

import httpx
import msgspec

from reconcile.clock import Clock
from reconcile.sandbox.fake import Json, Refusal
from reconcile.sandbox.seeds import Dice

UNAUTHORIZED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
GRANT_LIFE = timedelta(hours=24)  # of a client-credentials token
OFFLINE_LIFE = timedelta(hours=1)  # of an expiring offline token


@dataclass(frozen=True, slots=True)
class Plan:
    """A leaky bucket: `size` requests at once, `leak` a second."""

    size: int
    leak: float


PLANS = {"standard": Plan(40, 2.0), "advanced": Plan(80, 4.0), "plus": Plan(400, 20.0)}


class Bucket:
    """Counts requests as Shopify's REST limit does: the bucket of one app in one shop."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._level = 0.0
        self._at = clock.monotonic()

    def take(self) -> str:
        """Pour one request in; returns `used/size`. A full bucket is a 429 without that header."""
        now = self._clock.monotonic()
        self._level = max(0.0, self._level - (now - self._at) * self._plan.leak)
        self._at = now
        if self._level + 1 > self._plan.size:
            raise self._full()
        self._level += 1
        return f"{int(self._level)}/{self._plan.size}"

    def _full(self) -> Refusal:
        text = (
            f"Exceeded {self._plan.leak:.0f} calls per second for api client. "
            "Reduce request rates to resume uninterrupted service."
        )
        return Refusal(429, {"errors": text}, {"retry-after": "4.0"})


class Tokens:
    """Access tokens and when they end; None is never. A static token of an old custom app never ends."""

    def __init__(self, clock: Clock, dice: Dice, client: tuple[str, str]) -> None:
        self._clock = clock
        self._dice = dice
        self._client = client
        self._ends: dict[str, datetime | None] = {}
        self._refresh: set[str] = set()

    def allow(self, token: str) -> None:
        """Accept a static token."""
        self._ends[token] = None

    def revoke(self, token: str) -> None:
        """From now on, 401."""
        self._ends.pop(token, None)

    def check(self, request: httpx.Request) -> None:
        """401 unless the bare token is in `X-Shopify-Access-Token`; an `Authorization` header counts for nothing."""
        token = request.headers.get("X-Shopify-Access-Token", "")
        if token not in self._ends:
            raise Refusal(401, UNAUTHORIZED)
        ends = self._ends[token]
        if ends is not None and ends <= self._clock.now():
            raise Refusal(401, UNAUTHORIZED)

    def new_refresh_token(self) -> str:
        """A refresh token as an installation would have got it."""
        token = "shprt_" + self._dice.token(32)
        self._refresh.add(token)
        return token

    def grant(self, request: httpx.Request, scope: str) -> Json:
        """`POST /admin/oauth/access_token`: client credentials (24 h), or a refresh token (1 h, and a new one)."""
        form = _form(request)
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            raise Refusal(400, {"error": "invalid_client", "error_description": "Client authentication failed"})
        kind = form.get("grant_type")
        if kind == "client_credentials":
            return self._issue(GRANT_LIFE, scope)
        if kind == "refresh_token" and form.get("refresh_token") in self._refresh:
            self._refresh.discard(form["refresh_token"])
            return {**self._issue(OFFLINE_LIFE, scope), "refresh_token": self.new_refresh_token()}
        raise Refusal(400, {"error": "invalid_grant", "error_description": "The grant is not accepted"})

    def _issue(self, life: timedelta, scope: str) -> Json:
        token = "shpat_" + self._dice.token(32)
        self._ends[token] = self._clock.now() + life
        return {"access_token": token, "scope": scope, "expires_in": int(life.total_seconds()) - 1}


def _form(request: httpx.Request) -> dict[str, str]:
    if "json" in request.headers.get("Content-Type", ""):
        try:
            return msgspec.json.decode(request.content, type=dict[str, str])
        except msgspec.DecodeError as error:
            raise Refusal(400, {"error": "invalid_request"}) from error
    return dict(parse_qsl(request.content.decode(), keep_blank_values=True))
