"""One whole history: business, deliveries, runs, crashes and interference, then quiet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from simulation.business import Business
from simulation.checker import Checker
from simulation.lists import Forgetful, plan_faults
from simulation.plans import START, Plan, draw
from simulation.processes import Killed
from simulation.story import Story, tell
from simulation.trouble import BACKFILL_PLACES, Trouble
from simulation.world import World

from reconcile.context import Options
from reconcile.model import micros
from reconcile.operator import status as statusboard
from reconcile.report import RunReport

BACKFILL, DISPATCH = ["backfill"], ["dispatch"]
QUIET_RUNS, IDLE_RUNS = 25, 4


@dataclass
class Rebuilt(Story):
    """A history of backfill and dispatch."""

    rebuilt: int = 0


def play(seed: int, *, forgets: bool | None = None) -> Rebuilt:
    """Play the history of `seed`; raises `Violation` as soon as the checker finds one."""
    plan = draw(seed, forgets=forgets)
    world = World(plan)
    return tell(seed, world, lambda: History(world, plan))


class History:
    """Plays a plan in a world, and has the checker look after every run."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._dice = plan.dice
        self._business = Business(world, plan.dice)
        self._checker = Checker(world)
        self._trouble = Trouble(world, plan.dice, self._business.happen, self._rival, BACKFILL_PLACES)
        self._forgetful = Forgetful(plan.dice, 0.5)
        self._story = Rebuilt(plan.seed)
        world.machines.committed = self._checker.at_every_commit

    def close(self) -> None:
        """Let go of files."""
        self._checker.close()
        self._world.close()

    def play(self) -> Rebuilt:
        """Everything, in order."""
        self._begin()
        self._live()
        self._settle_down()
        self._checker.at_the_end()
        counted = self._checker.counted()
        self._story.effects, self._story.rebuilt = counted
        self._story.trace = self._world.trace
        return self._story

    def _begin(self) -> None:
        """The first contact: from now on, from a while ago, taking what there is as handled, or too late."""
        first = self._plan.first
        if first != "plain":
            for _ in range(self._dice.randint(1, 6)):
                self._world.pass_time(self._dice.choice((0, 1, 7, 40)))
                self._business.happen()
        if first == "late":
            return
        since = None if first == "plain" else self._edge(START + timedelta(seconds=self._dice.choice((0, 5, 30))))
        if first == "baseline":
            self._world.pass_time(self._plan.lag + self._plan.settle.total_seconds() + 1)
            self._world.baselined = micros(self._world.base.now())
        self._run([], Options(since=since, baseline=first == "baseline"), calm=first == "baseline")

    def _live(self) -> None:
        plan, dice = self._plan, self._dice
        end = START + timedelta(seconds=plan.span)
        moments = sorted(START + timedelta(seconds=dice.uniform(0, plan.span) // 1) for _ in range(plan.happenings))
        runs = [START + timedelta(seconds=plan.every * n) for n in range(1, int(plan.span // plan.every) + 1)]
        agenda = sorted([(at, "business") for at in moments] + [(at, "run") for at in runs])
        for at, what in agenda:
            self._world.pass_time(max(0.0, (at - self._world.base.now()).total_seconds()))
            if what == "business":
                self._business.happen()
                if dice.random() < 0.1:
                    self._world.pump()
                    self._run(DISPATCH, Options())
            else:
                self._some_run()
        self._world.pass_time(max(0.0, (end - self._world.base.now()).total_seconds()))

    def _some_run(self) -> None:
        """Mostly what a daemon does; now and then what a person does."""
        dice = self._dice
        if self._plan.drift_jumps and dice.random() < 0.3:
            self._world.clock.offset += timedelta(seconds=dice.choice((-45, 20, 100)))
            self._world.say(f"our clock is {self._world.clock.offset} off")
        if dice.random() < 0.5:
            self._business.happen()  # too new to be listed: the provider itself may not show it yet
            self._world.pass_time(dice.choice((0, 1, self._plan.settle.total_seconds())))
        options = Options(wait=timedelta(seconds=dice.choice((0, 5, 35))))
        draw = dice.random()
        if draw < 0.06:
            options = replace(options, recheck=True)
        elif draw < 0.25:
            options = replace(options, since=self._edge(self._back()))
        elif draw < 0.36:
            since, until = sorted((self._edge(self._back()), self._edge(self._back())))
            options = replace(options, since=since, until=until)
        elif draw < 0.44:
            self._dry_run(options)
        elif draw < 0.48:
            options = replace(options, force=True)
        self._run(dice.choice(([], [], BACKFILL)), options)

    def _back(self) -> datetime:
        return self._world.base.now() - timedelta(seconds=self._dice.randint(1, int(self._plan.span)))

    def _edge(self, otherwise: datetime) -> datetime:
        """Often the very second in which something happened: nothing may fall between two windows."""
        happened = sorted({one.at.replace(microsecond=0) for fake in self._world.fakes.values() for one in fake.truth})
        return self._dice.choice(happened) if happened and self._dice.random() < 0.6 else otherwise

    def _dry_run(self, options: Options) -> None:
        before, calls = self._checker.ledger_digest(), self._world.service.calls
        report = self._attempt([], replace(options, dry_run=True))
        if report is not None:
            assert self._checker.ledger_digest() == before, "a dry run changed the ledger"
            assert self._world.service.calls == calls, "a dry run called a handler"
            self._checker.adds_up(report)

    def _run(self, jobs: Sequence[str], options: Options, *, calm: bool = False) -> RunReport | None:
        """One run under trouble; then the checker looks at what it left."""
        plan_faults(self._world, self._dice, 0.0 if calm else self._plan.provider_faults)
        known = self._checker.known_versions() if self._plan.forgets else {}
        if self._plan.forgets:
            self._forgetful.begin()
            self._world.edit = self._forgetful.edit
        self._trouble.prepare(0.0 if calm else self._plan.crashes, 0.0 if calm else self._plan.intrusions)
        report = self._attempt(jobs, options)
        self._trouble.calm_down()
        self._world.edit = lambda request, answer: answer
        if report is not None and not options.force:
            self._checker.valve_held(report)
        if report is not None and options.since is not None:
            world = self._world
            self._checker.frontier_is_true(statusboard.read(world.config, world.process.ledger, world.clock))
        if report is not None and jobs != DISPATCH:
            self._checker.noticed(report, known, self._forgetful.left_out)
        for faults in self._world.faults.values():
            faults.clear()
        self._checker.after_run(report)
        return report

    def _attempt(self, jobs: Sequence[str], options: Options) -> RunReport | None:
        world = self._world
        world.say(f"run {jobs} {_shown(options)}")
        self._story.runs += 1
        begun = world.base.now()
        try:
            report = world.run(world.process, jobs, options)
        except Killed as killed:
            self._story.killed += 1
            self._checker.promises_stand(options, begun)
            world.say("run killed")
            world.replace(killed, self._dice)
            return None
        self._checker.promises_stand(options, begun)
        world.say(f"run ended {report.exit_code} {[_stream(one) for one in report.streams]} {report.errors}")
        return report

    def _rival(self, place: str) -> None:
        """A second runner, while the first one works: it must find the source busy, unless the lease has run out."""
        world = self._world
        rival = world.machines.start(here=self._dice.random() < 0.5)
        jobs = DISPATCH if place.startswith(("dispatch", "target")) else BACKFILL
        if jobs is DISPATCH and self._dice.random() < 0.7:
            world.pass_time(31)  # the claims of whoever sleeps here have run out
        expected = self._checker.leased(BACKFILL[0], world.clock.now())
        try:
            report = world.run(rival, jobs, Options(wait=timedelta()))
            if any("is held by" in error for error in report.errors):
                self._story.busy += 1
                assert report.exit_code in (75, 4), f"a busy source ended in {report.exit_code}"
            world.say(f"rival at {place} ended {report.exit_code} {report.errors}")
            if report.streams:
                shut = {one.source for one in report.streams if one.error and "is held by" in one.error}
                assert expected <= shut, f"a rival at {place} was let in: {expected} were leased, {shut} were refused"
        finally:
            world.machines.bury(rival)

    def _settle_down(self) -> None:
        """No more business or trouble: time passes until every delivery is made or given up, then runs do nothing."""
        world, plan = self._world, self._plan
        world.interfere = lambda place: None
        for network in world.networks.values():
            network.outages.clear()
        world.pass_time(6 * 3600 + plan.lag + plan.overlap.total_seconds() + plan.settle.total_seconds())
        world.pass_time(86_400 if abs(plan.drift) > 1000 else 0)
        idle = 0
        for number in range(QUIET_RUNS):
            before = self._checker.standing()
            self._attempt_quietly(force=number > 1)
            idle = idle + 1 if self._checker.standing() == before else 0
            if idle and not self._checker.waiting():
                return  # H12: a run over a quiet world did nothing at all
            assert idle < IDLE_RUNS, "H12: nothing moves any more, and events wait"
            world.pass_time(300)
        raise AssertionError(f"H12: after {QUIET_RUNS} quiet runs something still moves")

    def _attempt_quietly(self, *, force: bool) -> None:
        report = self._attempt([], Options(force=force, wait=timedelta(seconds=5)))
        assert report is not None, "nobody was to die any more"
        self._checker.after_run(report)


def _shown(options: Options) -> str:
    names = ("since", "until", "dry_run", "force", "recheck", "baseline")
    return ", ".join(f"{name}={getattr(options, name)}" for name in names if getattr(options, name))


def _stream(one: object) -> str:
    names = ("source", "stream", "covered", "listed", "events", "error")
    return " ".join(str(getattr(one, name)) for name in names)
