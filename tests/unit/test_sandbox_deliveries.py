"""The network between a fake provider and a receiver, and a month of history sent over it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from reconcile.clock import Stop
from reconcile.errors import Stopped
from reconcile.sandbox.clock import SettableClock
from reconcile.sandbox.deliveries import Fate, Fates, Network, posting_to, run_until
from reconcile.sandbox.server import serve
from reconcile.sandbox.shopify import FakeShopify
from reconcile.sandbox.stripe import FakeStripe
from reconcile.sandbox.world import make_history

START = datetime(2026, 9, 1, tzinfo=UTC)
URL = "https://hooks.acme.example/webhooks/shop"


class Receiver:
    """Answers with `status`, and keeps what arrived."""

    def __init__(self, clock, status=200):
        self.clock = clock
        self.status = status
        self.got = []

    def __call__(self, headers, body):
        self.got.append((self.clock.now(), headers, body))
        return self.status


@pytest.fixture
def clock():
    return SettableClock(START)


@pytest.fixture
def shop(clock):
    shop = FakeShopify(clock=clock)
    shop.subscribe("orders/create", URL)
    return shop


@pytest.fixture
def receiver(clock):
    return Receiver(clock)


def in_hours(hours):
    return START + timedelta(hours=hours)


def test_a_good_network_delivers_once_at_once(shop, clock, receiver):
    """Without any trouble each event arrives once, in order, with the body of the truth."""
    network = Network(shop, clock, receiver)
    for _ in range(3):
        shop.create_order()
    assert network.pump() == 3
    assert [body for _, _, body in receiver.got] == [h.body for h in shop.truth if h.topic == "orders/create"]
    assert (network.pump(), network.next_due(), network.given_up) == (0, None, [])


def test_a_refused_delivery_comes_again_with_its_original_body(shop, clock, receiver):
    """H6: after a 503 the provider retries on its schedule, with the body as it was, though the order changed since."""
    network = Network(shop, clock, receiver)
    receiver.status = 503
    order = shop.create_order()
    network.pump()
    shop.update_order(order, note="changed")
    receiver.status = 200
    run_until(in_hours(1), clock, [network])
    (first, _, body), (second, _, again) = receiver.got
    assert body == again
    assert second - first == timedelta(seconds=56)
    assert [attempt.number for attempt in network.attempts] == [1, 2]


def test_shopify_gives_up_after_its_retries(shop, clock, receiver):
    """Eight failures in a row end the subscription, and with it the delivery."""
    receiver.status = 500
    network = Network(shop, clock, receiver)
    shop.create_order()
    run_until(in_hours(12), clock, [network])
    assert len(receiver.got) == 8
    assert len(network.given_up) == 1
    assert len(shop.hooks.deleted_for_failing) == 1


def test_stripe_signs_each_retry_anew(clock, receiver):
    """H10: a Stripe retry has the original body and a fresh signature."""
    stripe = FakeStripe(clock=clock)
    stripe.subscribe(URL, ["*"])
    receiver.status = 500
    network = Network(stripe, clock, receiver)
    stripe.create_customer()
    run_until(in_hours(12), clock, [network])
    assert len({body for _, _, body in receiver.got}) == 1
    assert len({headers["Stripe-Signature"] for _, headers, _ in receiver.got}) == 4
    assert len(network.given_up) == 1


def test_during_an_outage_nothing_arrives(shop, clock, receiver):
    """In an outage the provider's attempts fail unseen; retries after it bring what is still owed."""
    network = Network(shop, clock, receiver, outages=[(START, START + timedelta(minutes=10))])
    shop.create_order()
    run_until(in_hours(1), clock, [network])
    assert [at for at, _, _ in receiver.got] == [START + timedelta(seconds=56 * 15)]
    assert Counter(attempt.fate for attempt in network.attempts) == {Fate.DROPPED: 4, Fate.ARRIVED: 1}


@pytest.mark.parametrize(
    ("fates", "arrivals", "given_up"),
    [
        (Fates(drop=1), 0, 1),
        (Fates(lose=1), 0, 0),
        (Fates(double=1), 2, 0),
        (Fates(unheard=1), 1, 1),
    ],
)
def test_each_fate_of_a_delivery_is_what_it_says(shop, clock, receiver, fates, arrivals, given_up):
    """Dropped: the provider knows. Lost: it believes in a 200. Doubled: twice. Unheard: arrived, and unknown."""
    network = Network(shop, clock, receiver, fates=fates, retries=False)
    shop.create_order()
    run_until(in_hours(24), clock, [network])
    assert (len(receiver.got), len(network.given_up)) == (arrivals, given_up)


def test_delays_change_the_order(shop, clock, receiver):
    """Deliveries may overtake each other; each comes within its delay."""
    network = Network(shop, clock, receiver, seed=3, fates=Fates(reorder=0.5), delay=(0, 60), held_back=600)
    made = [shop.create_order() for _ in range(30)]
    run_until(in_hours(1), clock, [network])
    arrived = [int(body.split(b'"id":')[1].split(b",")[0]) for _, _, body in receiver.got]
    assert sorted(arrived) == made
    assert arrived != made
    assert all(at <= START + timedelta(seconds=660) for at, _, _ in receiver.got)


def test_only_what_is_meant_for_us_arrives(shop, clock, receiver):
    """S3: with a url, deliveries to other subscribers are somebody else's."""
    shop.subscribe("orders/create", "https://other.example/hooks")
    network = Network(shop, clock, receiver, url=URL)
    shop.create_order()
    run_until(in_hours(24), clock, [network])
    assert len(receiver.got) == 1
    assert network.given_up == []


def test_what_is_on_its_way_can_be_lost_for_good(shop, clock, receiver):
    """A provider that gave up: nothing of it comes any more."""
    network = Network(shop, clock, receiver, delay=(10, 10))
    shop.create_order()
    assert network.discard() == 1
    run_until(in_hours(24), clock, [network])
    assert receiver.got == []


def test_deliveries_by_real_http(shop, clock):
    """The same over loopback HTTP: headers and bytes arrive, redirects are failures, no answer is 0."""
    got, answers = [], iter([httpx.Response(200), httpx.Response(302, headers={"Location": "/x"})])

    def answer(request):
        got.append((request.headers["X-Shopify-Topic"], request.read()))
        return next(answers)

    with serve(answer) as server, posting_to(server.url + "/hook") as send:
        network = Network(shop, clock, send, retries=False)
        shop.create_order()
        shop.create_order()
        network.pump()
    assert [attempt.status for attempt in network.attempts] == [200, 302]
    assert got[0] == ("orders/create", shop.truth[0].body)
    assert len(network.given_up) == 1
    with posting_to(server.url) as send:
        assert send({}, b"{}") == 0


# a month of history


def month(seed, orders=120, **network):
    clock = SettableClock(START)
    shop, stripe = FakeShopify(clock=clock, seed=1), FakeStripe(clock=clock, seed=2)
    shop.subscribe("orders/create", URL)
    stripe.subscribe(URL, ["*"])
    receivers = [Receiver(clock), Receiver(clock)]
    networks = [Network(fake, clock, to, seed=5, **network) for fake, to in zip((shop, stripe), receivers, strict=True)]
    end = START + timedelta(days=30)
    make_history(seed, START, end, clock=clock, shopify=shop, stripe=stripe, networks=networks, orders=orders)
    assert clock.now() == end
    return shop, stripe, receivers, networks


def test_a_month_of_history_is_the_same_for_a_seed():
    """One seed, one history: truths and arrivals are equal, and differ from another seed's."""
    one, two, other = (month(seed, orders=50, fates=Fates(drop=0.1, double=0.1), delay=(0, 90)) for seed in (7, 7, 8))
    assert one[0].truth == two[0].truth
    assert one[1].truth == two[1].truth
    assert [receiver.got for receiver in one[2]] == [receiver.got for receiver in two[2]]
    assert one[0].truth != other[0].truth


def test_a_month_of_history_is_ordinary_business():
    """All kinds of things happen, in the order of time, with ties, and orders of about 2 to 4 KB."""
    shop, stripe, receivers, _ = month(7)
    topics = Counter(happened.topic for happened in [*shop.truth, *stripe.truth])
    assert topics["orders/create"] >= 120
    assert {"orders/cancelled", "refunds/create", "draft_orders/create", "orders/fulfilled"} <= set(topics)
    assert {"payment_intent.payment_failed", "charge.refunded", "payout.paid", "invoice.paid"} <= set(topics)
    assert [h.at for h in shop.truth] == sorted(h.at for h in shop.truth)
    seconds = Counter(h.at.replace(microsecond=0) for h in shop.truth if h.topic == "orders/create")
    assert max(seconds.values()) > 1
    assert all(1_500 < len(h.body) < 6_000 for h in shop.truth if h.topic == "orders/create")
    assert len(receivers[1].got) == len(stripe.truth)


# the clock


def test_a_settable_clock_moves_when_told():
    """C15: waiting passes time at once, a stop ends it, and a jump back never turns durations back."""
    clock, stop = SettableClock(START), Stop()
    clock.wait(90, stop)
    assert clock.now() == START + timedelta(seconds=90)
    clock.set(START)
    assert (clock.now(), clock.monotonic()) == (START, 90.0)
    stop.set()
    with pytest.raises(Stopped):
        clock.wait(1, stop)
    with pytest.raises(ValueError, match="aware"):
        SettableClock(START.replace(tzinfo=None))
