"""`reconcile demo`: four weeks of a small shop that loses webhooks, the repair, and the proof. All on this machine.

Two fake providers serve real HTTP on loopback; the service has a folder of its own that is gone afterwards. The
weeks pass on a clock of their own that ends in the present, so that the real executable can go to work on them.
"""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from reconcile import runner
from reconcile.clock import Clock, SystemClock
from reconcile.sandbox.clock import JoiningClock
from reconcile.sandbox.deliveries import Fate
from reconcile.sandbox.demo import month, proof
from reconcile.sandbox.demo.month import World
from reconcile.sandbox.demo.service import SHOP_TOPICS, Service
from reconcile.sandbox.demo.show import Screen
from reconcile.sandbox.server import serve

__all__ = ["main"]

_INTRODUCTION = """\
A fake Shopify and a fake Stripe run on 127.0.0.1; they refuse, limit and forget what the real ones do. An order \
service takes their webhooks through reconcile's receiver, and its handlers write into SQLite. The network between \
them is bad, and three days before the end the service was down for nine hours. \
Nothing leaves this machine. The weeks pass in a few seconds."""
_DAMAGE = "What really happened, against what the service's handlers saw."
_NEWEST = """\
Stripe's event log has every event, so each is handled exactly once. Shopify's lists show an order as it is now: \
states in between that were lost are lost to everybody, so of orders/updated the proof is that the newest state of \
every order was seen."""
_LATE = """\
Lost deliveries turn up after all, with their old bodies; then `reconcile run --recheck` reads and compares everything \
again."""
#: Back to before the first event; Stripe's log reaches 30 days.
_RUN = ("run", "--since", "29d")
#: Coverage is ignored: everything is read and compared again.
_AGAIN = (*_RUN, "--recheck", "--json")
_TURN_UP = 15  # at most, of each provider


def main(write: Callable[[str], object]) -> int:
    """Run the demo in under half a minute; 0 if the proof holds, else 1. `write` puts text on stdout, at once."""
    with _ending_well(), tempfile.TemporaryDirectory(prefix="reconcile-demo-") as folder:
        return _Demo(Service(Path(folder)), Screen(write), SystemClock()).run()


class _Demo:
    def __init__(self, service: Service, screen: Screen, clock: Clock) -> None:
        self._service = service
        self._screen = screen
        self._clock = clock
        self._began = clock.monotonic()

    def run(self) -> int:
        self._screen.title("Four weeks of a small shop")
        self._screen.say(_INTRODUCTION)
        now = self._clock.now().replace(microsecond=0)
        world = month.new_world(JoiningClock(now - month.LENGTH, self._clock))
        with serve(world.shop) as shop, serve(world.stripe) as stripe:
            self._service.write(shop.url, stripe.url, world.payments_secret)
            month.live_through(world, self._service, now - month.QUIET)
            world.clock.join()
            return self._judge(world)

    def _judge(self, world: World) -> int:
        self._tell_damage(world)
        self._screen.command(" ".join(("reconcile", *_RUN)))
        code, _ = self._service.reconcile(*_RUN)
        repaired = self._prove(world)
        quiet = self._run_again(world)
        self._screen.command("reconcile status")
        self._service.reconcile("status")
        return self._verdict(good=code == 0 and repaired and quiet)

    def _tell_damage(self, world: World) -> None:
        fates = world.fates()
        lost = sum(len(world.never_came(source)) for source in world.networks)
        self._screen.say(
            f"{fates.total()} attempts to deliver were made: {lost} deliveries never came, "
            f"{fates[Fate.DOUBLED] + fates[Fate.UNHEARD]} came twice, {world.late()} came late or out of order."
        )
        deleted = [hook.topic for hook in world.shop.hooks.deleted_for_failing]
        if deleted:
            self._screen.say(
                f"In the outage Shopify deleted subscriptions that had failed 8 times in a row, as it does: "
                f"{', '.join(deleted)}. Nothing was sent for them any more."
            )
        self._screen.title("The damage")
        self._screen.say(_DAMAGE)
        self._compare(world)

    def _prove(self, world: World) -> bool:
        self._screen.title("The proof")
        self._screen.say(_NEWEST)
        return all([self._compare(world), self._tell_books(world), self._tell_subscriptions(world)])

    def _compare(self, world: World) -> bool:
        rows = proof.compare(world.shop, world.stripe, self._service.handled())
        self._screen.rows(rows)
        return all(row.proven for row in rows)

    def _tell_books(self, world: World) -> bool:
        paid, booked = proof.paid(world.stripe), self._service.booked()
        real, kept = proof.real_orders(world.shop), self._service.orders()
        same = sum(kept.get(id_) == order for id_, order in real.items())
        self._screen.say(
            f"Its books: {_money(booked)} of {_money(paid)} paid; {same} of {len(real)} orders as the shop has them."
        )
        return booked == paid and real == kept

    def _tell_subscriptions(self, world: World) -> bool:
        there = {hook.topic for hook in world.shop.hooks}
        self._screen.say(f"Shopify subscriptions: {len(there & set(SHOP_TOPICS))} of {len(SHOP_TOPICS)} are there.")
        return there >= set(SHOP_TOPICS) or "subscriptions" not in runner.installed()

    def _run_again(self, world: World) -> bool:
        self._screen.title("Once more")
        self._screen.say(_LATE)
        calls, changes = len(self._service.handled()), world.changes_asked()
        taken = month.turn_up(world, self._service, _TURN_UP)
        code, out = self._service.reconcile(*_AGAIN, capture=True)
        listed = sum(stream["listed"] for stream in json.loads(out)["streams"])
        calls, changes = len(self._service.handled()) - calls, world.changes_asked() - changes
        self._screen.say(
            f"{taken} lost deliveries came and were answered 200; {listed} items were listed again (exit {code}). "
            f"Handler calls: {calls}. Requests that change something at a provider: {changes}."
        )
        return code == 0 and taken > 0 and not calls and not changes

    def _verdict(self, *, good: bool) -> int:
        seconds = f"{self._clock.monotonic() - self._began:.0f} s"
        text = (
            "Proven: everything that happened was handled, each once"
            if good
            else "NOT proven: see what is missing above"
        )
        self._screen.verdict(f"{text} ({seconds}).", good=good)
        return 0 if good else 1


def _money(cents: int) -> str:
    return f"${cents / 100:,.2f}"


@contextmanager
def _ending_well() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: the folder goes, and so does whatever was started."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(143)
