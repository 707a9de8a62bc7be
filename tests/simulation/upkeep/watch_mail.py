"""Whether people are told, each thing once: A1 to A6."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from datetime import datetime

from simulation.upkeep.business import Business
from simulation.upkeep.looking import Rows, instant
from simulation.upkeep.post import PARTY, Sent
from simulation.upkeep.watch_ladders import LadderWatch
from simulation.upkeep.world import UpkeepWorld

from reconcile.report import RunReport

_NUMBER = re.compile(r"^  - #(\d+) ", re.MULTILINE)
_PART = re.compile(r"^([A-Z ]+) \(([\d,]+)\)$", re.MULTILINE)
OPERATORS = "operators"


class MailWatch:
    """Looks at the mailbox, and at what the outbox says of it."""

    def __init__(self, world: UpkeepWorld, rows: Rows, ladders: LadderWatch, business: Business) -> None:
        self._world = world
        self._business = business
        self._rows = rows
        self._ladders = ladders
        self._digests: dict[int, dict[str, list[int]]] = {}
        self._heard = 0

    # After every run.

    def after_run(self, report: RunReport | None, begun: datetime, *, told: bool) -> None:
        """Nothing comes twice; when a run told, everyone due to be told was put into a mail."""
        self._once()
        self._each_thing_once()
        self._silent_where_asked()
        if report is not None:
            left = self._rows.query("select 1 from reconcile_recipient where state = 'queued' limit 1")
            if told and left:
                assert report.exit_code != 0, "A5: mail is left, and the run exits 0"
            if told:
                self._all_are_told(begun)

    def _once(self) -> None:
        """A3: a copy too many only where nobody heard the answer, and then the same to the byte."""
        copies: dict[tuple[str, str], list[Sent]] = {}
        for sent in self._world.post.sent:
            for address in sent.to:
                copies.setdefault((sent.id, address), []).append(sent)
        for (id_, address), some in copies.items():
            unheard = sum(one.unheard for one in some)
            assert len(some) <= 1 + unheard, f"A3: {id_} came to {address} {len(some)} times, {unheard} unheard"
            assert len({one.content for one in some}) == 1, f"A3: {id_} came in different words"

    def _each_thing_once(self) -> None:
        """A2: by what mails say, an incident is new once to operators, and cleared once."""
        for state in ("NEW", "CLEARED"):
            of: dict[int, set[str]] = {}
            for number, sent in enumerate(self._world.post.sent):
                if PARTY in sent.to or "escal" in sent.plain:
                    continue
                for incident in self._digest(number, sent).get(state, ()):
                    of.setdefault(incident, set()).add(sent.id)
            for incident, mails in of.items():
                doubled = len(mails) > (1 if state == "NEW" else 1 + len(self._world.plan.escalate))
                assert not doubled, f"A2: incident {incident} is {state} in {len(mails)} mails"

    def _silent_where_asked(self) -> None:
        """Whoever takes care of it, or does not want to hear of it yet, is told nothing but its end meanwhile."""
        for number, sent in enumerate(self._world.post.sent[self._heard :], self._heard):
            for state, incidents in self._digest(number, sent).items():
                for one in () if state == "CLEARED" else incidents:
                    since, until = self._business.silenced.get(one, (sent.at, sent.at))
                    quiet = since < self._written(sent) and (until is None or self._written(sent) < until)
                    assert not quiet, f"incident {one} was silenced at {since} until {until}, and told of as {state}"
        self._heard = len(self._world.post.sent)

    def _written(self, sent: Sent) -> datetime:
        """When it was put into the outbox, by our clock: from then on it is on its way."""
        found = self._rows.query("select created_at from reconcile_mail where message_id = ?", sent.id)
        return instant(found[0]["created_at"]) if found else instant(0)

    def _digest(self, number: int, sent: Sent) -> dict[str, list[int]]:
        """Of a mail, the incidents it names in each part."""
        if number not in self._digests:
            found: dict[str, list[int]] = {}
            parts = _PART.split(sent.plain)
            for title, _, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
                found[title] = [int(one) for one in _NUMBER.findall(text)]
            self._digests[number] = found
        return self._digests[number]

    def _all_are_told(self, begun: datetime) -> None:
        """A1, A2: whatever was open when the run began is in a mail now; what is old is told again, and further up."""
        plan, notices = self._world.plan, self._notices()
        for one in self._rows.incidents(open_only=True):
            opened = instant(one["opened_at"])
            if opened >= begun or one["acked_at"] is not None or one["snoozed_until"] is not None:
                continue
            told = notices.get(one["id"], [])
            theirs = [note for note in told if note["audience"] == OPERATORS]
            assert theirs, f"A1: {one['kind']} {one['key']} is open since {opened}, and nobody was told"
            last = max(instant(note["at"]) for note in theirs)
            assert begun - last < plan.repeat, f"{one['kind']} {one['key']} was told last at {last}"
            if one["third_party"]:
                party = [note for note in told if note["audience"] == "third-party"]
                assert len(party) == 1, f"A2: the third party was told {len(party)} times of {one['key']}"
            for step, after in enumerate(plan.escalate, 1):
                up = [note for note in told if (note["state"], note["step"]) == ("escalated", step)]
                if begun - opened >= after:
                    assert up, f"{one['kind']} {one['key']} is open since {opened}, and step {step} was not told"
                assert not up or instant(up[0]["at"]) - opened >= after, f"{one['key']} was escalated too early"

    def _notices(self) -> dict[int, list[sqlite3.Row]]:
        found: dict[int, list[sqlite3.Row]] = {}
        for row in self._rows.query("select * from reconcile_notice order by id"):
            found.setdefault(row["incident_id"], []).append(row)
        return found

    # When everything is quiet.

    def at_the_end(self) -> None:
        """No mail is lost; each open matter is told, each unresolved transaction in exactly one mail to each side."""
        self._arrived()
        notices = self._notices()
        gaps = {f"gap:{row['id']}" for row in self._rows.open_gaps() if row["kind"] != "status_mismatch"}
        incidents = self._rows.incidents()
        assert gaps <= {one["key"] for one in incidents if one["state"] == "open"}, "A1: a gap without an incident"
        for one in incidents:
            told = notices.get(one["id"], [])
            if one["acked_at"] is not None or one["snoozed_until"] is not None:
                continue
            if one["state"] == "open" or one["happened"]:
                assert any(note["audience"] == OPERATORS for note in told), f"A1: {one['key']} was never told"
            if one["kind"] == "unresolved" and one["state"] == "open":
                self._in_one_mail_each(one)
            elif told and not one["happened"] and one["state"] != "open":
                assert any(note["state"] == "cleared" for note in told), f"A4: {one['key']} was never cleared"

    def _arrived(self) -> None:
        """Each address of each mail got it, or its server refused it for good."""
        got = Counter((sent.id, address) for sent in self._world.post.sent for address in sent.to)
        sql = "select m.message_id, r.* from reconcile_recipient r join reconcile_mail m on m.id = r.mail_id"
        for row in self._rows.query(sql):
            key = (row["message_id"], row["address"])
            assert row["state"] in ("sent", "dead"), f"A5: {key} is still {row['state']}"
            assert row["state"] == "dead" or got[key], f"A1: {key} counts as sent, and never arrived"
            assert row["state"] == "sent" or key in self._world.post.never, f"A6: {key} was given up: {row['error']}"

    def _in_one_mail_each(self, incident: sqlite3.Row) -> None:
        new, party = set(), set()
        for number, sent in enumerate(self._world.post.sent):
            if incident["id"] in self._digest(number, sent).get("NEW", ()):
                new.add(sent.id)
            if PARTY in sent.to and f"- {incident['reference']} " in sent.plain.partition("Nothing more")[0]:
                party.add(sent.id)
        refused = bool(self._world.post.never)
        assert len(new) == 1 or refused, f"A2: {incident['key']} is new in {len(new)} mails to operators"
        episodes = self._ladders.episodes[(incident["source"], *incident["key"].split("/", 1))]
        assert len(party) <= episodes, f"A2: {incident['key']} is in {len(party)} mails to the third party"
        assert party or refused, f"A2: the third party was not told of {incident['key']}"
