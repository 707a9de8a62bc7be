"""Four weeks of business, with live deliveries over a bad network and one outage.

Everything goes the way it goes in production: signed by the fakes, verified and stored by the real receiver, handed
to the service's handlers by the real dispatcher. Only time is ours: the weeks pass in seconds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconcile import config as configuration
from reconcile.clock import Clock, Stop
from reconcile.config import Config, SourceConfig
from reconcile.connector.finding import connector_class
from reconcile.dispatch import Dispatcher
from reconcile.ledger import Ledger
from reconcile.ledger.leases import Holder
from reconcile.receiver import Receiver
from reconcile.sandbox.clock import JoiningClock
from reconcile.sandbox.deliveries import Attempt, Fates, Network, Send
from reconcile.sandbox.demo.service import (
    PAYMENT_TOPICS,
    PAYMENTS,
    PAYMENTS_URL,
    SHOP,
    SHOP_SECRET,
    SHOP_TOPICS,
    SHOP_URL,
    STATE_TOPICS,
    Service,
)
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.truth import Delivery
from reconcile.sandbox.world import make_history
from reconcile.targets.inprocess import InProcessTarget
from reconcile.targets.loading import load_handler

LENGTH = timedelta(days=28)
#: How long before the present the history ends: what is newer than `settle` (2 min) is left for a later run.
QUIET = timedelta(minutes=10)
#: The service is down from 75 to 66 hours before the end: too long for both providers' retries.
OUTAGE = (timedelta(hours=75), timedelta(hours=66))
FATES = Fates(drop=0.04, lose=0.08, double=0.05, unheard=0.03, reorder=0.12)
ORDERS = 100
TOGETHER = 50  # deliveries handled together: the weeks pass in seconds, commits do not
SEED = 7
HANDLER = "reconcile.sandbox.demo.acme:handlers"  # the same code as in the service's folder, for the live weeks


@dataclass(slots=True)
class World:
    """Both fakes, the clock they share, and the network between them and the service."""

    clock: JoiningClock
    shop: FakeShopify
    stripe: FakeStripe
    payments_secret: str
    networks: Mapping[str, Network]

    def fates(self) -> Counter[str]:
        """How every attempt to deliver went."""
        return Counter(attempt.fate.value for network in self.networks.values() for attempt in network.attempts)

    def arrived(self) -> list[Attempt]:
        """Every attempt that reached the service."""
        return [one for network in self.networks.values() for one in network.attempts if one.status == 200]

    def late(self) -> int:
        """Deliveries that came over ten minutes after what they tell of."""
        return sum(one.at - one.delivery.created > timedelta(minutes=10) for one in self.arrived())

    def never_came(self, source: str) -> list[Delivery]:
        """Deliveries that were sent and never reached the service."""
        network, arrived = self.networks[source], {id(one.delivery) for one in self.arrived()}
        sent = [one.delivery for one in network.attempts] + network.given_up
        return [one for one in {id(one): one for one in sent}.values() if id(one) not in arrived]

    def changes_asked(self) -> int:
        """Requests that would have changed something at a provider."""
        return sum(one.method != "GET" for fake in (self.shop, self.stripe) for one in fake.requests)


def new_world(clock: JoiningClock) -> World:
    """The providers as they are when the weeks begin, subscribed to."""
    shop = FakeShopify(clock=clock, webhook_secret=SHOP_SECRET, plan="plus", seed=SEED)
    stripe = FakeStripe(clock=clock, seed=SEED)
    for topic in SHOP_TOPICS:
        shop.subscribe(topic, SHOP_URL)
    endpoint = stripe.subscribe(PAYMENTS_URL, PAYMENT_TOPICS)
    return World(clock, shop, stripe, endpoint.secret, {})


def live_through(world: World, service: Service, end: datetime) -> None:
    """Let the weeks until `end` happen, and their deliveries arrive, or not."""
    with _live(world, service) as live:
        world.networks = {
            SHOP: _network(world, world.shop, live.send(SHOP), end, 1),
            PAYMENTS: _network(world, world.stripe, live.send(PAYMENTS), end, 2),
        }
        make_history(
            SEED,
            end - LENGTH,
            end,
            clock=world.clock,
            shopify=world.shop,
            stripe=world.stripe,
            networks=list(world.networks.values()),
            orders=ORDERS,
            deletes=False,
        )
        for network in world.networks.values():
            network.discard()


def turn_up(world: World, service: Service, most: int) -> int:
    """Deliver what had got lost after all, as a proxy may do days later; how many deliveries came and were taken.

    Only of topics whose repair stands for the very same event: an order's lost state in between, which no list shows,
    would be news, and be handled.
    """
    taken = 0
    with _live(world, service) as live:
        for name, fake in ((SHOP, world.shop), (PAYMENTS, world.stripe)):
            send = live.send(name)
            lost = [one for one in world.never_came(name) if one.topic not in STATE_TOPICS]
            taken += sum(send(fake.headers_of(one), one.body) == 200 for one in lost[:most])
    return taken


def _network(world: World, fake: FakeShopify | FakeStripe, send: Send, end: datetime, seed: int) -> Network:
    began, over = OUTAGE
    return Network(
        fake,
        world.clock,
        send,
        seed=seed,
        fates=FATES,
        url=SHOP_URL if fake is world.shop else PAYMENTS_URL,
        delay=(0.5, 20.0),
        held_back=4 * 3600.0,
        outages=[(end - began, end - over)],
    )


class _Live:
    """The receiving end: each delivery goes through the real receiver, then to the handler, some at a time."""

    def __init__(self, ledger: Ledger, config: Config, clock: Clock) -> None:
        sources = {name: (one, connector_class(one.connector)(one.settings)) for name, one in config.sources.items()}
        self._ledger = ledger
        self._receiver = Receiver(ledger, sources.get, clock)
        self._dispatchers = [_dispatcher(ledger, source, clock) for source, _ in sources.values()]
        self._stored = 0

    def send(self, source: str) -> Send:
        """What takes one delivery for a source, and answers with a status."""

        def send(headers: Mapping[str, str], body: bytes) -> int:
            self._stored += 1
            if self._stored % TOGETHER == 0:
                self.handle()
            return self._receiver.receive(source, headers, body).status

        return send

    def handle(self) -> None:
        """Let the handlers have what was stored."""
        for dispatcher in self._dispatchers:
            dispatcher.drain(self._ledger.now())


def _dispatcher(ledger: Ledger, source: SourceConfig, clock: Clock) -> Dispatcher:
    target = InProcessTarget(load_handler(HANDLER), clock, ledger.session)
    owner = Holder.me().name
    return Dispatcher(ledger=ledger, source=source, target=target, clock=clock, stop=Stop(), owner=owner)


@contextmanager
def _live(world: World, service: Service) -> Iterator[_Live]:
    config = configuration.load(service.config, os.environ)
    ledger = Ledger.open(config.ledger.get_secret_value(), world.clock)
    try:
        live = _Live(ledger, config, world.clock)
        yield live
        live.handle()
    finally:
        ledger.close()
