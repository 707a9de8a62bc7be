"""Whether every ending reaches the handler, and once: P5, H2, and that nothing subscribed to is lost unreported."""

from __future__ import annotations

import json
from collections import Counter

from simulation.upkeep.business import Business
from simulation.upkeep.looking import Rows, micros
from simulation.upkeep.plans import OVERLAP, TOPICS
from simulation.upkeep.world import UpkeepWorld

Fact = tuple[str, str, str, str]  # source, topic, subject, what a refund was updated to


#: What a list cannot date, or not find, unless it was created since completeness is promised.
AS_CREATED = ("orders/paid", *TOPICS["gate"])


class EffectWatch:
    """Compares the service's effects with what happened."""

    def __init__(self, world: UpkeepWorld, rows: Rows, business: Business) -> None:
        self._world = world
        self._rows = rows
        self._business = business

    def applied(self) -> Counter[Fact]:
        """How often each fact was handled."""
        found = self._rows.query("select source, topic, body from effect")
        return Counter(fact_of(row["source"], row["topic"], row["body"]) for row in found)

    def happened(self) -> dict[Fact, list[int]]:
        """When each fact happened, of those subscribed to."""
        found: dict[Fact, list[int]] = {}
        for source, fake in self._world.fakes.items():
            for one in fake.truth:
                if one.topic in TOPICS[source]:
                    found.setdefault(fact_of(source, one.topic, one.body), []).append(micros(one.at))
        return found

    def after_run(self) -> None:
        """H2: nothing is handled more often than it happened."""
        happened = self.happened()
        for fact, number in self.applied().items():
            assert number <= len(happened.get(fact, ())), f"H2: {fact} was handled {number} times"

    def at_the_end(self) -> None:
        """P5: what happened since we promise completeness was handled, or a person knows of it."""
        self.after_run()
        applied, gaps, states = self.applied(), self._gaps(), self._states()
        horizons = {(row["source"], row["topic"]): row["at"] for row in self._rows.query(_HORIZONS)}
        for fact, times in self.happened().items():
            source, topic, subject, _ = fact
            due = sum(at >= horizons.get((source, topic), 1 << 62) for at in times)
            excused = (source, topic, subject) in gaps or (source, subject) in gaps
            if source != "pay" and states.get((source, subject)) in ("unresolved", "mismatch", "resolved"):
                continue  # a person settles it; its provider keeps no log of events
            if source == "gate" and (source, subject) not in states and self._world.plan.lag > OVERLAP.total_seconds():
                continue  # its list showed it later than `overlap` allows for, and every webhook was lost
            if topic in AS_CREATED and self._created(source, subject) < horizons.get((source, topic), 1 << 62):
                continue  # its list shows what was created since; of what is older it does not say when it ended
            if source == "gate" and topic == "payment.pending":
                continue  # an item that has ended does not show that it was pending
            assert applied[fact] >= due or excused, f"P5: {fact} happened {due} times, handled {applied[fact]}"

    def _created(self, source: str, id_: str) -> int:
        truth = self._business.truths.get((source, "order" if source == "shop" else "payment", id_))
        return micros(truth.at.replace(microsecond=0)) if truth else 0

    def _gaps(self) -> set[tuple[str, ...]]:
        """What open gaps speak for, by topic and subject, or by subject alone."""
        events = {row["seq"]: row for row in self._rows.query("select * from reconcile_event")}
        found: set[tuple[str, ...]] = set()
        for gap in self._rows.open_gaps():
            if gap["seq"] in events:
                event = events[gap["seq"]]
                found.add((event["source"], event["topic"], event["subject_id"]))
            elif gap["kind"] == "not_rebuildable":
                topic, subject, *_ = gap["key"].split(":")
                found.add((gap["source"], topic, subject))
        return found

    def _states(self) -> dict[tuple[str, str], str]:
        return {(source, id_): row["state"] for (source, _, id_), row in self._rows.transactions().items()}


_HORIZONS = "select source, topic, at from reconcile_horizon"


def fact_of(source: str, topic: str, body: bytes) -> Fact:
    """What a body tells, read by the checker alone."""
    data = json.loads(body)
    if source == "pay":
        thing = data["data"]["object"]
        return (source, topic, thing["id"], thing["status"] if topic == "refund.updated" else "")
    if source == "gate":
        item = data.get("data", data)
        return (source, topic, item["reference"], "")
    return (source, topic, str(data["id"]), "")
