"""Whether transactions climb their ladders as they should: P1 to P4, A1, and what purge may let go of."""

from __future__ import annotations

import sqlite3
from collections import Counter
from datetime import datetime, timedelta

from simulation.upkeep.business import Business, Name, Truth
from simulation.upkeep.looking import Rows, instant
from simulation.upkeep.world import UpkeepWorld

from reconcile.report import RunReport

ENDED = ("settled", "resolved")
TERMINAL = ("succeeded", "failed", "cancelled", "refunded")
KIND = {"unresolved": "unresolved", "mismatch": "status_mismatch"}


class LadderWatch:
    """Looks at every commit, and after every run."""

    def __init__(self, world: UpkeepWorld, rows: Rows, business: Business) -> None:
        self._world = world
        self._rows = rows
        self._business = business
        self._known: dict[Name, sqlite3.Row] = {}
        #: When each was last asked about, by our clock, and how often; before that, when it became known.
        self._asked: dict[Name, tuple[datetime, int]] = {}
        #: How often each was given up.
        self.episodes: Counter[Name] = Counter()

    # At every commit.

    def at_every_commit(self) -> None:
        """Each change of a row is one that may happen, and is told of in the same commit."""
        now = self._rows.transactions()
        for name, row in now.items():
            before = self._known.get(name)
            if before is None:
                self._appears(name, row)
            elif tuple(before) != tuple(row):
                self._changes(name, before, row)
        for name in self._known.keys() - now.keys():
            self._goes(name, self._known[name])
        self._known = now
        self._told_of(now)

    def _appears(self, name: Name, row: sqlite3.Row) -> None:
        if row["state"] != "pending":  # one commit records both its beginning and its end
            assert row["state"] in ("settled", "mismatch"), f"P3: {name} becomes known as {row['state']}"
            self._really_ended(name, row)
        begun = instant(min(row["at"], row["known_at"]) if row["at"] is not None else row["known_at"])
        self._asked[name] = (begun, 0)

    def _changes(self, name: Name, before: sqlite3.Row, row: sqlite3.Row) -> None:
        was, now = before["state"], row["state"]
        if was in ENDED and now == "pending" and name in self._business.reopened:
            self._asked[name] = (instant(0), 0)
            return
        status = (before["status"], row["status"])
        if before["status"] in TERMINAL:
            kept = status[0] == status[1] or status == ("succeeded", "refunded")
            reopened = now == "pending" and name in self._business.reopened
            assert kept or reopened, f"P1: {name} had ended as {status[0]} and is now {status[1]}"
        if was == "settled":
            assert now in ("settled", "mismatch", "resolved"), f"P1: {name} was settled and is now {now}"
        if was == "resolved":
            # One commit may tell how it ended and that this was taken back; what it never ended as cannot be.
            regressed = now == "mismatch" and row["status"] in TERMINAL
            assert regressed or now in ("resolved", "pending"), f"P1: {name} was resolved by hand and is now {now}"
        if now == "settled":
            self._really_ended(name, row)
        if row["attempts"] > before["attempts"]:
            self._climbs(name, before, row)
        elif row["attempts"] < before["attempts"]:
            assert name in self._business.reopened, f"P3: {name} begins its ladder anew"
            self._asked[name] = (instant(0), 0)
        if now == "unresolved" and was != "unresolved":
            self.episodes[name] += 1
            enough = row["attempts"] >= len(self._world.plan.ladder)
            assert enough, f"P3: {name} was given up after {row['attempts']} askings"

    def _really_ended(self, name: Name, row: sqlite3.Row) -> None:
        """P2, P4: only what its provider said, and only if it said the same of the money."""
        truth = self._business.truths.get(name)
        if truth is None:
            return
        assert row["state"] == "mismatch" or row["status"] in [status for _, status in truth.statuses], (
            f"P2: {name} is {row['status']}, and its provider never said so"
        )
        wrong = truth.said not in ("", truth.amount) and row["tracked"]
        assert not wrong, f"P4: {name} over {truth.amount} was settled, and the app said {truth.said}"

    def _climbs(self, name: Name, before: sqlite3.Row, row: sqlite3.Row) -> None:
        attempts = row["attempts"]
        assert attempts == before["attempts"] + 1, f"P3: {name} skips from {before['attempts']} to {attempts}"
        last, number = self._asked[name]
        ladder = self._world.plan.ladder
        if number < len(ladder) and not self._hurried(name):
            due = last + ladder[number]
            early = due - instant(row["asked_at"])
            assert early <= timedelta(0), f"P3: {name} was asked for the {attempts}. time {early} before its rung"
        self._asked[name] = (instant(row["asked_at"]), attempts)

    def _hurried(self, name: Name) -> bool:
        """Whether it may be asked at once: a list showed its end, or a person wanted it."""
        truth = self._business.truths.get(name)
        return name in self._business.reopened or truth is None or truth.status != "pending"

    def _goes(self, name: Name, row: sqlite3.Row) -> None:
        assert row["state"] in ENDED, f"L5: {name} is gone, and was {row['state']}"
        keep = max(filter(None, (self._world.plan.keep_payloads,)))
        age = self._world.clock.now() - instant(row["ended_at"])
        assert age >= keep, f"L5: {name} is gone, and had ended {age} ago"
        self._asked.pop(name, None)

    def _told_of(self, now: dict[Name, sqlite3.Row]) -> None:
        """A1: who is left to a person is an open incident from the same commit on, and nobody else is."""
        open_ = {(one["source"], one["kind"], one["key"]) for one in self._rows.incidents(open_only=True)}
        for (source, type_, id_), row in now.items():
            key = f"{type_}/{id_}"
            for state, kind in KIND.items():
                told = (source, kind, key) in open_
                if row["state"] == state:
                    assert told, f"A1: {key} is {state}, and there is no incident"
                elif row["state"] in ENDED:
                    assert not told, f"A4: {key} is {row['state']}, and its incident {kind} is still open"

    # After a run that came to its end without trouble.

    def after_run(self, report: RunReport, begun: datetime, *, asked: bool) -> None:
        """P3: nothing that was known and due when it began is still due."""
        if not asked or any("status" in error or "asked" in error for error in report.errors) or report.errors:
            return
        for name, row in self._rows.transactions().items():
            last, number = self._asked[name]
            ladder = self._world.plan.ladder
            claimed = (
                "elsewhere" in row["claim_owner"] and instant(row["claim_until"]) >= begun
            )  # of it nobody can tell
            if row["state"] != "pending" or claimed or instant(row["known_at"]) >= begun:
                continue
            if number < len(ladder) and name not in self._business.reopened:
                late = begun - (last + ladder[number])
                assert late < timedelta(0), f"P3: {name} was due {late} before a run that did not ask"

    # When everything is quiet.

    def at_the_end(self) -> None:
        """Each has ended as its provider says, or is a person's."""
        for name, row in self._rows.transactions().items():
            truth, state = self._business.truths.get(name), row["state"]
            assert state != "pending", f"P3: {name} is still pending when all is quiet"
            if truth is None or state == "resolved" or name in self._business.reopened:
                continue
            if state == "settled":
                self._settled_rightly(truth, row)
            if state == "unresolved":
                assert row["status"] == "pending", f"P1: {name} is unresolved and {row['status']}"

    def _settled_rightly(self, truth: Truth, row: sqlite3.Row) -> None:
        assert row["status"] == truth.status, f"P1: {truth.name} ended as {row['status']}, and is {truth.status} now"
        assert not (truth.overpaid and row["amount"] == truth.amount), f"P4: {truth.name} ended with another amount"
