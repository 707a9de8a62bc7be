"""The world of one history of upkeep: providers with subscriptions and payments, and a mail server."""

from __future__ import annotations

import base64
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from unittest import mock

import httpx
from pydantic import SecretStr
from simulation.place import place
from simulation.processes import Process
from simulation.sources import HANDLED, SECRETS, URL, shop_and_pay
from simulation.stage import Stage
from simulation.upkeep.plans import OVERLAP, START, TOPICS, Plan
from simulation.upkeep.post import BOSS, CHIEF, OPS, PARTY, Post

from reconcile.config import AlertsConfig, Config
from reconcile.config.alerts import EscalationConfig
from reconcile.config.key import keys
from reconcile.context import Context
from reconcile.receiver import Receiver
from reconcile.sandbox.gateway import PLAIN, FakeGateway
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.vault import Vault

KEY = base64.b64encode(b"a dummy key of thirty-two bytes!").decode()
_YAML = f"""{shop_and_pay(TOPICS["shop"], TOPICS["pay"])}
  gate:
    connector: gateway
    base_url: https://api.gateway.example
    auth: {{bearer: gate_dummy_token}}
    list:
      path: /payments
      items: /payments
      filters: {{created_at_min: created_from, created_at_max: created_to}}
      time: iso8601
      paging: {{page: page, size: {{per_page: 100}}}}
    fields: {{id: /reference, created_at: /created_at, updated_at: /updated_at, status: /status, amount: /amount,
      currency: /currency}}
    status: {{path: /get-status, params: {{reference: "{{id}}"}}, item: ""}}
    statuses: {{pending: pending, paid: succeeded, failed: failed, void: cancelled, refunded: refunded}}
    topic: payment.{{status}}
    webhook:
      url: {URL}gate
      secret: {SECRETS["gate"]}
      topics: [{", ".join(TOPICS["gate"])}]
      event: {{id: /event_id, topic: /event_type, item: /data}}
      signature: {{scheme: hmac, header: X-Signature, algorithm: sha256, encoding: hex, prefix: ""}}
{HANDLED}schedules:
  - {{job: status-checks, every: 1d}}
  - {{job: purge, every: 7d, keep_payloads: 90d}}
alerts:
  smtp: smtp://127.0.0.1:25?tls=off
  from: reconcile@acme.example
  digest: 1000
  to: [{OPS}, night@acme.example]
  third_parties: {{pay: [{PARTY}], shop: [{PARTY}], gate: [{PARTY}]}}
"""


@dataclass(frozen=True)
class Heard:
    """One request and what came of it, `status` 0 if no answer came. `number` counts them as providers saw them."""

    source: str
    method: str
    path: str
    status: int
    by: Process
    number: int


class UpkeepWorld(Stage):
    """`post` is where mail goes; `heard` every request with its outcome, `seen` how many its provider has seen so far.

    `mischief` counts what others did, and `prunes` says that somebody has ever asked for `--prune`.
    """

    jobs = frozenset({"subscriptions", "backfill", "status-checks", "dispatch", "alerts", "purge"})

    def __init__(self, plan: Plan) -> None:
        here = place(_YAML)
        super().__init__(here, _config(here.config, plan), plan, START)
        self.folder = here.folder
        self.post = Post(self)
        self.heard: list[Heard] = []
        self.seen = 0
        self.mischief = 0
        self.prunes = False

    def _fakes(self) -> dict[str, Any]:
        plan = self.plan
        made: dict[str, Any] = {}
        if "shop" in plan.sources:
            made["shop"] = FakeShopify(
                clock=self.base,
                webhook_secret=SECRETS["shop"],
                throttle=False,
                seed=plan.seed,
                versions=("2026-10",),
            )
        if "pay" in plan.sources:
            made["pay"] = FakeStripe(clock=self.base, throttle=False, seed=plan.seed)
        if "gate" in plan.sources:
            made["gate"] = FakeGateway(PLAIN, clock=self.base, lag=(0.0, plan.lag), seed=plan.seed)
            made["gate"].subscribe(URL + "gate", SECRETS["gate"])
        return made

    def _line(self, name: str) -> dict[str, Any]:
        return {"held_back": 30_000.0, "url": URL + name}

    def _receiver(self) -> Receiver:
        kept = Vault.of(self.config, self.web.ledger).secrets
        return Receiver(self.web.ledger, self._source, self.clock, kept=kept)

    def _context(self, process: Process) -> Context:
        return replace(super()._context(process), mailers=self.post.mailers(process))

    def _answer(self, process: Process, source: str, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        try:
            answer = super()._answer(process, source, request)
        except httpx.TransportError:
            self.seen += 1
            self.heard.append(Heard(source, request.method, path, 0, process, self.seen))
            raise
        self.heard.append(Heard(source, request.method, path, answer.status_code, process, request.extensions["seen"]))
        return answer

    def _answered(self, request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        self.seen += 1
        request.extensions["seen"] = self.seen
        return answer

    def installed(self) -> ExitStack:
        """As on every stage; keys of attempts come from the seed too."""
        stack = super().installed()

        def drawn() -> uuid.UUID:
            return uuid.UUID(int=self.plan.dice.getrandbits(128), version=4)

        stack.enter_context(mock.patch.object(uuid, "uuid4", drawn))
        return stack


def _config(config: Config, plan: Plan) -> Config:
    sources = {
        name: config.sources[name].model_copy(
            update={
                "settle": timedelta(seconds=5),
                "overlap": OVERLAP,
                "ladder": plan.ladder,
                "retry": (timedelta(seconds=5), timedelta(seconds=20), timedelta(seconds=40)),
            }
        )
        for name in plan.sources
    }
    kept = {"keep_payloads": plan.keep_payloads, "keep_keys": plan.keep_keys}
    schedules = tuple(one.model_copy(update=kept) if one.job == "purge" else one for one in config.schedules)
    return config.model_copy(
        update={
            "sources": sources,
            "schedules": schedules,
            "alerts": _alerts(config.alerts, plan),
            "keys": keys({"RECONCILE_KEY": KEY}) if plan.sealed else (),
            "ledger": SecretStr(f"sqlite:///{config.path.parent / 'ledger.db'}"),
        }
    )


def _alerts(alerts: AlertsConfig | None, plan: Plan) -> AlertsConfig:
    assert alerts is not None
    steps = [EscalationConfig(after=after, to=(to,)) for after, to in zip(plan.escalate, (BOSS, CHIEF), strict=False)]
    return alerts.model_copy(update={"repeat": plan.repeat, "escalate": tuple(steps)})
