"""The world of one history of backfill and dispatch: a shop, a payment provider, or both."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import httpx
from simulation.place import place
from simulation.plans import START, Plan
from simulation.sources import SECRETS, URL, shop_and_pay
from simulation.stage import Stage

from reconcile.config import Config
from reconcile.reading import tiling
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe

#: Every list is asked for its largest page, but for Stripe's newest event, asked for alone.
_LIMIT = re.compile("limit=(250|100)(?![0-9])")


class World(Stage):
    """A provider's lists show changes late, its pages are no larger than the history's."""

    #: The jobs whose doings the checker knows how to judge.
    jobs = frozenset({"backfill", "dispatch"})

    def __init__(self, plan: Plan) -> None:
        here = place(shop_and_pay(["orders/create"], ["charge.succeeded"]))
        super().__init__(here, _config(here.config, plan), plan, START)
        self.edit: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda request, answer: answer
        self.baselined = -1

    def _fakes(self) -> dict[str, Any]:
        plan, lag = self.plan, (0.0, self.plan.lag) if self.plan.lag else 0.0
        fakes: dict[str, Any] = {}
        if "shop" in plan.sources:
            shop = fakes["shop"] = FakeShopify(
                clock=self.base,
                webhook_secret=SECRETS["shop"],
                lag=lag,
                throttle=False,
                seed=plan.seed,
                versions=("2026-10",),
                keeps_webhook_id=plan.keeps_webhook_id,
                order_parameter=plan.seed % 2 == 0,
            )
            for topic in plan.subscribed["shop"]:
                shop.subscribe(topic, URL + "shop", app_specific=True)
        if "pay" in plan.sources:
            pay = fakes["pay"] = FakeStripe(clock=self.base, lag=lag, throttle=False, seed=plan.seed)
            if plan.subscribed["pay"]:
                endpoint = pay.subscribe(URL + "pay", plan.subscribed["pay"])
                endpoint.secrets[0].value = SECRETS["pay"]
        return fakes

    def _line(self, name: str) -> dict[str, Any]:
        return {"held_back": 300.0, "outages": self.plan.outages, "retries": self.plan.retries}

    def _asked(self, request: httpx.Request) -> httpx.Request:
        url = _LIMIT.sub(lambda limit: f"limit={min(int(limit[1]), self.plan.page)}", str(request.url))
        return httpx.Request(request.method, url, headers=request.headers, content=request.content)

    def _answered(self, request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return self.edit(request, answer)

    def installed(self) -> ExitStack:
        """As on every stage, with windows as small as the plan says."""
        stack = super().installed()
        stack.enter_context(mock.patch.object(tiling, "FIRST", self.plan.first_window))
        stack.enter_context(mock.patch.object(tiling, "PAGES_PER_WINDOW", 2))
        return stack


def _config(config: Config, plan: Plan) -> Config:
    sources = {}
    for name in plan.sources:
        source = config.sources[name]
        assert source.webhook is not None
        sources[name] = source.model_copy(
            update={
                "settle": plan.settle,
                "overlap": plan.overlap,
                "valve": plan.valve,
                "retry": plan.retry,
                "webhook": source.webhook.model_copy(update={"topics": plan.topics[name]}),
            }
        )
    return config.model_copy(update={"sources": sources})
