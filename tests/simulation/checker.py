"""The independent checker: it sees truth, effects and the ledger's rows, and knows nothing of how they came about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from simulation.records import Effect, Records, Row, is_state, newest
from simulation.told import Told, read
from simulation.world import World

from reconcile.context import Options
from reconcile.operator.board import Board
from reconcile.report import RunReport, StreamReport

_INCOMPLETE = "select subject_id from reconcile_gap where kind = 'listing_incomplete' and state = 'open'"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[str, str, str, str]


class Checker:
    """Looks after every run, and at the end at everything. Each `assert` names the invariant it holds to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._plan = world.plan
        self._records = Records(world)
        self._covered: list[tuple[object, ...]] = []
        self._broken: AssertionError | None = None
        self._horizons_set: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Let go of files."""
        self._records.close()

    # At every commit.

    def at_every_commit(self) -> None:
        """C3: no commit exists in which coverage claims what was never stored. It is told when the run is over."""
        covered = [tuple(row) for row in self._records.query("select * from reconcile_coverage order by id")]
        if covered == self._covered or self._broken:
            return
        self._covered = covered
        try:
            self._coverage_is_true()
        except AssertionError as broken:
            self._broken = broken

    # After every run, whether it ended or was killed.

    def after_run(self, report: RunReport | None) -> None:
        """Coverage never claimed what it had not got, effects are in order, and reports add up."""
        if self._broken:
            raise self._broken
        if report is not None:
            self.adds_up(report)
        self._coverage_is_true()
        self._states_never_go_back()

    def adds_up(self, report: RunReport) -> None:
        """C2: each listed item is in exactly one class."""
        for stream in report.streams:
            assert sum(_classes(stream)) == stream.listed, f"C2: {stream} does not add up"
            assert min(_classes(stream)) >= 0, f"C2: {stream} counts less than nothing"

    def valve_held(self, report: RunReport) -> None:
        """The valve: what one run found beyond its limit went nowhere."""
        for source in self._plan.sources:
            sql = "select state from reconcile_event where run_id = ? and source = ? and origin = 'backfill'"
            found = [row["state"] for row in self._records.query(sql, report.run, source)]
            if len(found) > self._plan.valve:
                assert set(found) == {"held"}, f"valve: {len(found)} events of {source} were let through: {found}"

    def frontier_is_true(self, board: Board) -> None:
        """C13: the frontier never lies beyond the first hole after the horizon, whatever was read beyond it."""
        for source in board.sources:
            for stream in source.streams:
                if stream.horizon is not None and stream.frontier is not None:
                    hole = self._first_hole(source.source, stream.stream, micros(stream.horizon))
                    assert micros(stream.frontier) <= hole, f"C13: {stream} jumps over a hole at {hole}"

    def promises_stand(self, options: Options, begun: datetime) -> None:
        """C13: a topic's horizon is `--since`, else the provider's time when a run first saw it; and then it stays."""
        now = micros(self._world.base.now())
        promised = micros(options.since) if options.since is not None else -1
        for row in self._records.query("select * from reconcile_horizon"):
            at, topic = row["at"], (row["source"], row["topic"])
            if topic not in self._horizons_set:
                assert at == promised or micros(begun) - 1_000_000 < at <= now, f"C13: {topic} is promised from {at} on"
                self._horizons_set[topic] = at
            assert self._horizons_set[topic] == at, f"C13: the horizon of {topic} moved to {at}"

    def _first_hole(self, source: str, stream: str, start: int) -> int:
        at = start
        sql = "select start, end from reconcile_coverage where source = ? and stream = ? order by start, end"
        for row in self._records.query(sql, source, stream):
            if row["start"] > at:
                break
            at = max(at, row["end"])
        return at

    def known_versions(self) -> dict[str, int]:
        """By order, the newest version the ledger has heard of."""
        return newest((row.told.fact, row.told.version) for row in self._records.rows())

    def noticed(self, report: RunReport, known: dict[str, int], left_out: dict[str, int]) -> None:
        """C10: a list that lacks an order we know, unchanged, does not prove its window."""
        now = self._records.versions()
        told = {gap["subject_id"] for gap in self._records.query(_INCOMPLETE)}
        for order, version in left_out.items():
            if known.get(order) == version == now[order] and order not in self._records.deleted():
                proven = any(stream.source == "shop" and stream.covered for stream in report.streams)
                assert order in told or not proven, (
                    f"C10: the list left out order {order} of {version}, and covered it all the same"
                )

    def _coverage_is_true(self) -> None:
        """C1, C3, C4: a covered window is settled, and what it lists is recorded, or an open gap."""
        known, carried, excused = self._recorded()
        settled = micros(self._world.base.now() - self._plan.settle)
        for row in self._records.query("select * from reconcile_coverage"):
            assert row["end"] <= settled, f"C4: [{row['start']}, {row['end']}) is covered, and settled is {settled}"
            late = row["read_at"] - self._plan.overlap // timedelta(microseconds=1)
            end = row["end"] if self._plan.settled else min(row["end"], late)
            for told in self._promised_in(row["source"], row["start"], end):
                fact = told.fact
                if fact.key in known or fact.key in excused:
                    continue
                if is_state(fact) and carried.get(fact.subject, -1) >= fact.at:
                    continue
                raise AssertionError(f"C1: [{row['start']}, {row['end']}) is covered, and {fact} was never recorded")

    def _recorded(self) -> tuple[set[Key], dict[str, int], set[Key]]:
        rows = self._records.rows()
        known = {row.told.fact.key for row in rows}
        return known, newest((row.told.fact, row.carried) for row in rows), set(self._records.gap_facts())

    def _promised_in(self, source: str, start: int, end: int) -> Iterator[Told]:
        """The facts that the list of [start, end) shows for good: of orders, by their latest version."""
        horizon, versions, deleted = self._horizons(source), self._records.versions(), self._records.deleted()
        for told in self._records.truth(source):
            fact = told.fact
            if fact.at * 1_000_000 < self._floor(horizon, fact.topic):
                continue
            if source == "pay":
                inside = start <= fact.at * 1_000_000 < end
            else:
                version = versions[fact.subject]
                inside = start <= version * 1_000_000 < end and fact.subject not in deleted
                inside = inside and (not is_state(fact) or fact.at == version)
            if inside:
                yield told

    def _horizons(self, source: str) -> dict[str, int]:
        found = self._records.query("select topic, at from reconcile_horizon where source = ?", source)
        return {row["topic"]: row["at"] for row in found}

    def _floor(self, horizons: dict[str, int], topic: str) -> int:
        return horizons.get(topic, horizons.get("*", 1 << 62))

    def _states_never_go_back(self) -> None:
        """H5: a rebuilt state is never handled after a newer one of its subject and topic."""
        newest_of: dict[tuple[str, str], int] = {}
        for effect in self._records.effects():
            told = effect.told
            if told.version is None:
                continue
            key = (told.fact.topic, told.fact.subject)
            seen = newest_of.get(key, told.version)
            old = effect.reconstructed and is_state(told.fact) and told.version < seen
            assert not old, f"H5: a rebuilt {told.fact} was handled after version {seen}"
            newest_of[key] = max(seen, told.version)

    # At the end, when everything is quiet.

    def at_the_end(self) -> None:
        """Nothing is lost unreported, nothing doubled."""
        self._nothing_doubled()
        self._nothing_lost()
        self._accepted_is_handled()
        self._late_is_said()
        self._all_is_covered()

    def _nothing_doubled(self) -> None:
        """H2: every fact is applied once; of a state, each version as often as it happened."""
        happened = Counter(told.fact.key for source in self._plan.sources for told in self._records.truth(source))
        applied: dict[Key, list[Effect]] = {}
        for effect in self._records.effects():
            applied.setdefault(effect.told.fact.key, []).append(effect)
        unsure = self._unsure()
        for key, effects in applied.items():
            keys = {effect.key for effect in effects}
            spare = 0 if self._plan.exactly_once else sum(unsure.get(one, 0) for one in keys)
            assert len(effects) <= happened[key] + spare, f"H2: {key} was handled {len(effects)} times: {effects}"
            assert len(keys) <= happened[key], f"H3: {key} came under several idempotency keys: {keys}"

    def _unsure(self) -> dict[str, int]:
        """How often a call of each event ended nobody knows how, by its own id."""
        sql = """select e.id as id, count(*) as n from reconcile_attempt a join reconcile_event e on e.seq = a.seq
            where a.outcome not in ('handled', 'dead', 'superseded') group by e.id"""
        return {row["id"]: row["n"] for row in self._records.query(sql)}

    def _nothing_lost(self) -> None:
        """Every truth event at or after the horizon was handled, or is an open gap."""
        effects, rows = self._records.effects(), self._records.rows()
        handled = {effect.told.fact.key for effect in effects}
        carried = newest((effect.told.fact, effect.carried) for effect in effects)
        passed = [row for row in rows if row.origin == "baseline" and row.at * 1_000_000 <= self._world.baselined]
        handled |= {row.told.fact.key for row in passed}
        for subject, version in newest((row.told.fact, row.carried) for row in passed).items():
            carried[subject] = max(version, carried.get(subject, version))
        gaps, gap_versions, deleted = (
            set(self._records.gap_facts()),
            self._records.gap_versions(),
            self._records.deleted(),
        )
        versions = self._records.versions()
        for source in self._plan.sources:
            horizons = self._horizons(source)
            assert horizons, "no horizon was ever set"
            for told in self._records.truth(source):
                fact = told.fact
                due = fact.at * 1_000_000 >= self._floor(horizons, fact.topic)
                if not due or fact.key in handled or fact.key in gaps or (source == "shop" and fact.subject in deleted):
                    continue
                if is_state(fact):
                    if fact.at < versions[fact.subject]:
                        continue
                    if max(carried.get(fact.subject, -1), gap_versions.get(fact.subject, -1)) >= fact.at:
                        continue
                raise AssertionError(f"unreported loss: {fact}; the ledger has {self._of_subject(rows, fact.subject)}")

    def _of_subject(self, rows: list[Row], subject: str) -> list[tuple[str, str, str, int | None]]:
        return [
            (row.told.fact.topic, row.state, row.origin, row.carried)
            for row in rows
            if row.told.fact.subject == subject
        ]

    def _accepted_is_handled(self) -> None:
        """H6, H7: each body that the receiver said 200 to is handled, absorbed by a rebuilt event, or a gap.

        A rebuilt event absorbs one delivery: of two states of one second, one must still be handled.
        """
        done = Counter({effect.told.fact.key: 0 for effect in self._records.effects()})
        done.update(effect.told.fact.key for effect in self._records.effects())
        done.update(self._records.gap_facts())
        rows = self._records.rows()
        done.update(row.told.fact.key for row in rows if row.origin == "baseline" or row.state == "superseded")
        accepted: dict[Key, set[bytes]] = {}
        for source, headers, body in self._world.accepted:
            topic = headers.get("X-Shopify-Topic") or _stripe_topic(body)
            accepted.setdefault(read(source, topic, body).fact.key, set()).add(body)
        for key, bodies in accepted.items():
            assert done[key] >= len(bodies), f"H6: {key} was answered 200 {len(bodies)} times, handled {done[key]}"

    def _late_is_said(self) -> None:
        """An event handled after a newer one of its subject says that it is late."""
        newest_of: dict[tuple[str, str], int] = {}
        if not self._plan.exactly_once:
            return
        for effect in self._records.effects():
            if effect.occurred_at is None or not effect.subject:
                continue
            key = (effect.told.fact.source, effect.subject)
            seen = newest_of.get(key, effect.occurred_at)
            assert effect.late or effect.occurred_at >= seen, f"{effect.told.fact} came after {seen} and not as late"
            newest_of[key] = max(seen, effect.occurred_at)

    def _all_is_covered(self) -> None:
        """When all is quiet, coverage reaches from the horizon to now without a hole."""
        for source in self._plan.sources:
            horizon = min(self._horizons(source).values())
            at = self._first_hole(source, "orders" if source == "shop" else "events", horizon)
            now = micros(self._world.base.now() - self._plan.settle) - 5_000_000
            assert at >= now, f"coverage of {source} ends at {at}, {now - at} µs ago"

    # For the history itself.

    def leased(self, job: str, now: datetime) -> set[str]:
        """The sources whose lease has not run out, and is not of a process that is seen to be gone."""
        found = self._records.query(
            "select source, host, pid from reconcile_lease where job = ? and holder <> '' and until > ?",
            job,
            micros(now),
        )
        return {
            row["source"] for row in found if row["host"] == "elsewhere" or row["pid"] in self._world.machines.alive
        }

    def ledger_digest(self) -> str:
        """A fingerprint of everything that a dry run must not change."""
        tables = self._records.query("select name from sqlite_master where type = 'table' and name like 'reconcile_%'")
        return self._records.digest(tuple(row["name"] for row in tables))

    def standing(self) -> tuple[str, int, int]:
        """What a run may change of lasting things (H12): events, gaps, handler calls, and the provider itself."""
        mutating = sum(method != "GET" for _, method, _ in self._world.requests)
        return self._records.digest(), self._world.service.calls, mutating

    def waiting(self) -> bool:
        """Whether an event is still on its way to the service."""
        return bool(
            self._records.query("select 1 from reconcile_event where state in ('held', 'waiting', 'claimed') limit 1")
        )

    def counted(self) -> tuple[int, int]:
        """How many effects there were, and how many of rebuilt events."""
        effects = self._records.effects()
        return len(effects), sum(effect.reconstructed for effect in effects)


def micros(at: datetime) -> int:
    """An instant as the ledger keeps it: microseconds since 1970, UTC."""
    return (at - EPOCH) // timedelta(microseconds=1)


def _classes(stream: StreamReport) -> tuple[int, ...]:
    """The six classes of listed items; `events` and `unlisted_gaps` count other things."""
    found = (stream.gap, stream.backfilled, stream.pending, stream.superseded)
    return (*found, stream.already_handled, stream.filtered)


def _stripe_topic(body: bytes) -> str:
    return str(json.loads(body)["type"])
