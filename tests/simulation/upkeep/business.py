"""What happens at the providers: payments that pend and end, and people who meddle with subscriptions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulation.upkeep.plans import TOPICS
from simulation.upkeep.world import URL, UpkeepWorld

from reconcile.ledger import incidents, transactions
from reconcile.model import Subject, TransactionStatus
from reconcile.transactions import hearing, settling

Name = tuple[str, str, str]  # source, type, id
ELSEWHERE = "https://elsewhere.example/hook"
GATE = {
    "succeeded": TransactionStatus.SUCCEEDED,
    "failed": TransactionStatus.FAILED,
    "cancelled": TransactionStatus.CANCELLED,
}


@dataclass
class Truth:
    """A transaction as its provider knows it: every status it came to, and what the app said it was worth."""

    name: Name
    at: datetime
    amount: str
    said: str = ""
    statuses: list[tuple[datetime, str]] = field(default_factory=list)
    gone: bool = False
    overpaid: bool = False

    @property
    def status(self) -> str:
        """As it is now."""
        return self.statuses[-1][1] if self.statuses else "pending"


class Business:
    """Drawn one happening at a time. `truths` are all transactions there ever were."""

    def __init__(self, world: UpkeepWorld, dice: random.Random) -> None:
        self._world = world
        self._dice = dice
        self.truths: dict[Name, Truth] = {}
        self.foreign: dict[str, dict[str, object]] = {name: {} for name in world.fakes}
        #: How many requests providers had seen when each became somebody else's.
        self.foreign_since: dict[str, int] = {}
        self.reopened: dict[Name, datetime] = {}
        #: Incidents that nobody wants to hear of: since when, and until when by our clock (None: until it is over).
        self.silenced: dict[int, tuple[datetime, datetime | None]] = {}
        self._charges: list[str] = []
        self._busy = False

    def happen(self) -> None:
        """One thing or several."""
        dice = self._dice
        for _ in range(dice.choice((1, 1, 2, 3))):
            name = dice.choice(sorted(self._world.fakes))
            if name != "gate" and dice.random() < self._world.plan.mischief:
                told = self._meddle(name)
            else:
                told = {"pay": self._pay, "gate": self._gate, "shop": self._shop}[name]()
            self._world.say(f"{name}: {told}")

    def settle(self) -> None:
        """Before the end some of what is open ends after all."""
        for truth in self._open():
            if self._dice.random() < 0.3:
                self._world.say(f"{truth.name[0]}: {self._end(truth)}")

    def _new(self, source: str, type_: str, id_: object, amount: object) -> Truth:
        name = (source, type_, str(id_))
        self.truths[name] = truth = Truth(name, self._world.base.now(), str(amount))
        if self._dice.random() < 0.3:
            self._track(truth)
        return truth

    def _track(self, truth: Truth) -> None:
        """The app tells of it, and is at times wrong about the money."""
        world = self._world
        if self._busy:
            return
        truth.said = truth.amount if self._dice.random() < 0.7 else "7777"
        with world.web.ledger.write() as tx:
            hearing.track(tx, truth.name[0], Subject(*truth.name[1:]), amount=truth.said)
        world.say(f"app: tracks {truth.name} over {truth.said}")

    def _open(self, source: str = "") -> list[Truth]:
        return [
            one
            for one in self.truths.values()
            if one.status == "pending" and not one.gone and source in ("", one.name[0])
        ]

    def _become(self, truth: Truth, status: str) -> str:
        truth.statuses.append((self._world.base.now(), status))
        return f"{truth.name[1]} {truth.name[2]} {status}"

    def _end(self, truth: Truth) -> str:
        return {"pay": self._end_at_pay, "gate": self._end_at_gate, "shop": self._end_at_shop}[truth.name[0]](truth)

    def _pay(self) -> str:
        pay, dice = self._world.fakes["pay"], self._dice
        ended = [
            one
            for one in self.truths.values()
            if one.name[1] in ("payout", "refund") and one.status == "succeeded" and len(one.statuses) == 1
        ]
        if ended and dice.random() < 0.25:
            return self._regress(dice.choice(ended))
        if (waiting := self._open("pay")) and dice.random() < 0.45:
            return self._end(dice.choice(waiting))
        kind = dice.choice(("payment_intent", "payment_intent", "payout", "refund"))
        if kind == "payout":
            payout = pay.create_payout(4200)
            return f"{self._new('pay', 'payout', payout, 4200).name} begun"
        if kind == "refund" and self._charges:
            refund = pay.refund(dice.choice(self._charges), 1, status="pending")
            return f"{self._new('pay', 'refund', refund, 1).name} begun"
        intent = pay.create_payment_intent(1999)
        pay.start_processing(intent)
        return f"{self._new('pay', 'payment_intent', intent, 1999).name} begun"

    def _end_at_pay(self, truth: Truth) -> str:
        pay, (_, type_, id_) = self._world.fakes["pay"], truth.name
        well = self._dice.random() < 0.7
        if type_ == "payout":
            (pay.pay_payout if well else pay.fail_payout)(id_)
            return self._become(truth, "succeeded" if well else "failed")
        if type_ == "refund":
            pay.settle_refund(id_, "succeeded" if well else "failed")
            return self._become(truth, "succeeded" if well else "failed")
        if self._dice.random() < 0.12:
            truth.overpaid = True
            pay.change("payment_intent", id_, {"amount": 2001})
        if well:
            self._charges.append(pay.succeed(id_))
        else:
            pay.cancel(id_)
        return self._become(truth, "succeeded" if well else "cancelled")

    def _regress(self, truth: Truth) -> str:
        """What was paid fails after all, as banks do days later."""
        pay, (_, type_, id_) = self._world.fakes["pay"], truth.name
        if truth.statuses[-1][0].replace(microsecond=0) == self._world.base.now().replace(microsecond=0):
            return "nothing"
        if type_ == "payout":
            pay.fail_payout(id_)
        else:
            pay.settle_refund(id_, "failed")
        return self._become(truth, "failed")

    def _gate(self) -> str:
        gate, dice = self._world.fakes["gate"], self._dice
        waiting = self._open("gate")
        if waiting and dice.random() < 0.06:
            truth = dice.choice(waiting)
            truth.gone = True
            gate.forget(truth.name[2])
            return f"{truth.name[2]} forgotten"
        if waiting and dice.random() < 0.45:
            return self._end(dice.choice(waiting))
        return f"{self._new('gate', 'payment', gate.create('12.50'), '12.50').name} begun"

    def _end_at_gate(self, truth: Truth) -> str:
        status = self._dice.choice(("succeeded", "succeeded", "failed", "cancelled"))
        self._world.fakes["gate"].become(truth.name[2], GATE[status])
        return self._become(truth, status)

    def _shop(self) -> str:
        shop = self._world.fakes["shop"]
        waiting = self._open("shop")
        if waiting and self._dice.random() < 0.45:
            return self._end(self._dice.choice(waiting))
        order = shop.create_order()
        amount = shop.tables["orders"].body(order)["total_price"]
        return f"{self._new('shop', 'order', order, amount).name} begun"

    def _end_at_shop(self, truth: Truth) -> str:
        shop, order = self._world.fakes["shop"], int(truth.name[2])
        well = self._dice.random() < 0.7
        if well:
            shop.pay_order(order)
        else:
            shop.cancel_order(order)
        return self._become(truth, "succeeded" if well else "cancelled")

    # People with access to the provider's dashboard.

    def _meddle(self, source: str) -> str:
        self._world.mischief += 1
        return self._meddle_at_pay() if source == "pay" else self._meddle_at_shop()

    def _meddle_at_pay(self) -> str:
        endpoints, dice = self._world.fakes["pay"].endpoints, self._dice
        here = [one for one in endpoints.of("acct_main") if one.url == URL + "pay"]
        actions: list[Callable[[], str]] = [self._foreign_endpoint]
        if here:
            one = dice.choice(here)

            def delete() -> str:
                endpoints.remove(one.id)
                return f"{one.id} deleted"

            def disable() -> str:
                one.enabled = False
                return f"{one.id} disabled"

            def narrow() -> str:
                one.enabled_events = (*dice.sample(TOPICS["pay"], 4), "customer.created")
                return f"{one.id} narrowed"

            def move() -> str:
                one.url = URL + "old"
                if not one.metadata:  # ours is moved back; one that is not recorded as ours is theirs to move
                    self._theirs("pay", one.id, _endpoint(one))
                return f"{one.id} moved"

            actions += [delete, delete, disable, disable, narrow, move]
        return dice.choice(actions)()

    def _foreign_endpoint(self) -> str:
        endpoints, dice = self._world.fakes["pay"].endpoints, self._dice
        if len(endpoints.of("acct_main")) >= 12:
            return "nothing"
        url = ELSEWHERE if dice.random() < 0.7 else URL + "pay2"
        one = endpoints.add(url, ("*",) if dice.random() < 0.5 else TOPICS["pay"][:3])
        one.enabled = dice.random() < 0.7
        self._theirs("pay", one.id, _endpoint(one))
        return f"{one.id} made by somebody else, to {url}"

    def _meddle_at_shop(self) -> str:
        hooks, dice = self._world.fakes["shop"].hooks, self._dice
        here = [one for one in hooks if one.address == URL + "shop"]
        if here and dice.random() < 0.7:
            one = dice.choice(here)
            hooks.remove(one.id)
            return f"{one.topic} unsubscribed"
        hook = hooks.add(dice.choice(TOPICS["shop"]), f"{ELSEWHERE}{dice.randint(1, 99)}", api_version="2026-10")
        self._theirs("shop", str(hook.id), _hook(hook))
        return f"{hook.topic} subscribed by somebody else"

    def _theirs(self, source: str, id_: str, looks: dict[str, object]) -> None:
        self.foreign[source][id_] = looks
        self.foreign_since[id_] = self._world.seen

    def foreign_now(self, source: str) -> dict[str, dict[str, object]]:
        """Other people's subscriptions as they are now."""
        if source == "pay":
            return {one.id: _endpoint(one) for one in self._world.fakes["pay"].endpoints.of("acct_main")}
        return {str(one.id): _hook(one) for one in self._world.fakes["shop"].hooks}

    # Operators.

    def operate(self) -> None:
        """A person settles something by hand, or puts it back on its ladder."""
        world, dice = self._world, self._dice
        if dice.random() < 0.4:
            self._silence()
            return
        with world.web.ledger.write() as tx:
            found = transactions.find(tx, transactions.Chosen(), 50)
            if not found:
                return
            one = dice.choice(found)
            if dice.random() < 0.5:
                settling.resolve(tx, one, "settled by hand")
                world.say(f"operator: resolves {one.subject}")
            elif settling.reopen(tx, one):
                self.reopened[(one.source, one.subject.type, one.subject.id)] = world.base.now()
                world.say(f"operator: reopens {one.subject}")

    def _silence(self) -> None:
        """Somebody takes care of an incident, or wants to hear no more of it for a while."""
        world, dice = self._world, self._dice
        with world.web.ledger.write() as tx:
            found = incidents.find(tx)
            if not found:
                return
            one = dice.choice(found)
            if dice.random() < 0.5:
                incidents.acknowledge(tx, [one.id])
                self.silenced[one.id] = (tx.now, None)
            else:
                until = tx.now + timedelta(hours=dice.choice((1, 5, 30)))
                incidents.snooze(tx, [one.id], until)
                self.silenced[one.id] = (tx.now, until)
        world.say(f"operator: silences {one.kind} {one.key} until {self.silenced[one.id][1]}")


def _endpoint(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in ("url", "enabled_events", "enabled", "metadata")}


def _hook(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in ("topic", "address", "format")}
