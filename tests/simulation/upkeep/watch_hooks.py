"""Whether subscriptions are kept as they should be: S1 to S6."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet
from simulation.sources import SECRETS, URL
from simulation.upkeep.business import Business
from simulation.upkeep.looking import Rows
from simulation.upkeep.plans import TOPICS
from simulation.upkeep.world import KEY, Heard, UpkeepWorld

from reconcile.report import RunReport

MANAGED = ("pay", "shop")
PATHS = {"pay": "/webhook_endpoints", "shop": "/webhooks"}


class HookWatch:
    """Looks at the providers' own records, our requests, and where secrets are kept."""

    def __init__(self, world: UpkeepWorld, rows: Rows, business: Business) -> None:
        self._world = world
        self._rows = rows
        self._business = business
        self._managed = [name for name in world.fakes if name in MANAGED]
        #: Every secret the provider ever gave an endpoint, by its id: they do not change.
        self._given: dict[str, str] = {}
        #: The ids of those that we made, as the provider's own record or ours says.
        self._made: set[str] = set()

    # At every commit.

    def at_every_commit(self) -> None:
        """S4: what counts as ours with its secret has its secret where the receiver reads it."""
        self._learn()
        kept = self._kept() if (ours := self._ours("kept")) else {}
        for id_ in ours:
            assert kept.get(id_) == self._given.get(id_, kept.get(id_)), f"S4: the secret of {id_} is not kept"
            assert id_ in kept, f"S4: {id_} counts as good, and its secret is lost"

    def _learn(self) -> None:
        if "pay" in self._world.fakes:
            here = self._world.fakes["pay"].endpoints.of("acct_main")
            self._given |= {one.id: one.secret for one in here}
            self._made |= {one.id for one in here if one.metadata}
        self._made |= {row["id"] for row in self._rows.query("select id from reconcile_subscription")}

    def _ours(self, secret: str) -> list[str]:
        found = self._rows.query("select id from reconcile_subscription where id <> '' and secret = ?", secret)
        return [row["id"] for row in found]

    def _kept(self) -> dict[str, str]:
        """By subscription, the secrets that are kept, read without production code."""
        found: dict[str, str] = {}
        for path in self._world.folder.glob("*.secrets"):
            found |= json.loads(path.read_text())
        cipher = Fernet(KEY.translate(str.maketrans("+/", "-_")))
        for row in self._rows.query("select subscription, sealed from reconcile_secret"):
            found[row["subscription"]] = cipher.decrypt(bytes(row["sealed"])).decode()
        return found

    # After every run.

    def after_run(self, report: RunReport | None, *, checked: bool) -> None:
        """S1, S2, S3, S6."""
        self._foreign_are_untouched()
        self._lists_between_creates()
        if report is not None and checked:
            self.all_are_there(report)

    def _foreign_are_untouched(self) -> None:
        """S3: whatever others made is as they left it, and was never written to."""
        before: dict[int, Heard] = {}
        for one in self._world.heard:
            id_, last = _id(one), before.get(id(one.by))
            since = self._business.foreign_since.get(id_, 1 << 62)
            if one.method == "POST" and one.number > since and last and _looked_just_before(last, one, since):
                self._ours_again(one.source, id_)
            else:
                assert one.number <= since or one.method == "GET", f"S3: {one.method} {one.path}"
            assert one.method != "DELETE" or self._was_ours(one), f"S3: {one.path} was deleted, and was not ours"
            before[id(one.by)] = one
        for source in self._managed:
            now = self._business.foreign_now(source)
            for id_, was in self._business.foreign[source].items():
                assert now.get(id_) == was, f"S3: {source}'s {id_} was {was} and is {now.get(id_)}"

    def _ours_again(self, source: str, id_: str) -> None:
        """Whoever lost the race has moved it back: no provider changes something only if nobody else did."""
        del self._business.foreign[source][id_], self._business.foreign_since[id_]

    def _was_ours(self, one: Heard) -> bool:
        """With --prune what we made ourselves may go."""
        return self._world.prunes and _id(one) in self._made

    def _lists_between_creates(self) -> None:
        """S2: after a create that nobody heard the end of, the list is read before another is made."""
        for source in self._managed:
            unsure: Heard | None = None
            for one in self._world.heard:
                if one.source != source or PATHS[source] not in one.path:
                    continue
                if one.method == "GET" and one.status == 200:
                    unsure = None
                elif one.method == "POST" and _is_collection(one):
                    assert unsure is None, f"S2: {source}: made again without a list after {unsure}"
                    unsure = one if one.status == 0 or one.status >= 500 else None

    def all_are_there(self, report: RunReport) -> None:
        """S1, S6: each topic has exactly one enabled subscription, or is reported."""
        reported = {(row["source"], row["topic"]) for row in report.subscriptions if row["action"] == "reported"}
        failed = {error.partition(":")[0] for error in report.errors}
        for source in self._managed:
            for topic in TOPICS[source]:
                number = len(self._good(source, topic))
                told = (source, topic) in reported or source in failed
                assert number == 1 or told, f"S1: {source}: {topic} has {number} subscriptions, and nobody is told"

    def _good(self, source: str, topic: str) -> list[Any]:
        fake = self._world.fakes[source]
        if source == "shop":
            return [one for one in fake.hooks if one.address == URL + "shop" and one.topic == topic]
        known = {SECRETS["pay"], *self._kept().values()}
        here = [one for one in fake.endpoints.of("acct_main") if one.url == URL + "pay" and one.enabled]
        made_by_us = [one for one in here if one.metadata]
        unreadable = [one for one in made_by_us if one.secret not in known]
        wanting = [one for one in here if topic in one.enabled_events or "*" in one.enabled_events]
        return [one for one in wanting if one not in unreadable]

    # When everything is quiet.

    def at_the_end(self, report: RunReport) -> None:
        """S1, and what is left to a person is an open incident."""
        self.all_are_there(report)
        open_ = {one["source"] for one in self._rows.incidents(open_only=True) if one["kind"] == "subscription"}
        for source in self._managed:
            short = [topic for topic in TOPICS[source] if len(self._good(source, topic)) != 1]
            assert not short or source in open_, f"S1: {source}: {short} are not right, and there is no incident"


def _id(one: Heard) -> str:
    return one.path.rpartition("/")[2].removesuffix(".json")


def _looked_just_before(last: Heard, one: Heard, since: int) -> bool:
    """Whether its writer's last look, at nothing else, was answered while it was still where it was found."""
    return last.method == "GET" and last.status == 200 and last.path == one.path and last.number <= since


def _is_collection(one: Heard) -> bool:
    return one.path.endswith(("/webhook_endpoints", "/webhooks.json"))
