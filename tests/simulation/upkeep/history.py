"""One whole history of upkeep: payments and meddlers, mail servers and crashes, runs and rivals, then quiet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from simulation.processes import Killed, Process
from simulation.sources import SECRETS, URL
from simulation.story import Story, tell
from simulation.trouble import UPKEEP_PLACES, Trouble
from simulation.upkeep.answers import plan_faults
from simulation.upkeep.business import Business
from simulation.upkeep.looking import Rows
from simulation.upkeep.plans import START, TOPICS, Plan, draw
from simulation.upkeep.watch_effects import EffectWatch
from simulation.upkeep.watch_hooks import HookWatch
from simulation.upkeep.watch_ladders import LadderWatch
from simulation.upkeep.watch_mail import MailWatch
from simulation.upkeep.world import UpkeepWorld

from reconcile.context import Options
from reconcile.report import RunReport

#: Drawn by the operating system's dice, not by the seed's.
_RUN_ID = re.compile("01[0-9A-Z]{24}")
EVERYTHING: list[str] = []
QUIET_RUNS = 20
#: How often a ladder is climbed before the end: what a late delivery begins follows on the next time.
CLIMBS = 3
RUNS: tuple[list[str], ...] = (
    EVERYTHING,
    EVERYTHING,
    ["status-checks", "dispatch"],
    ["status-checks", "dispatch", "alerts"],
    ["subscriptions"],
    ["alerts"],
    ["purge"],
)


@dataclass
class Kept(Story):
    """A history of upkeep."""

    mails: int = 0
    states: dict[str, int] = field(default_factory=dict)
    made: int = 0


def play(seed: int) -> Kept:
    """Play the history of `seed`; raises `Violation` as soon as a checker finds one."""
    plan = draw(seed)
    world = UpkeepWorld(plan)
    return tell(seed, world, lambda: History(world, plan))


class History:
    """Plays a plan in a world, and has the checkers look at every commit, after every run and at the end."""

    def __init__(self, world: UpkeepWorld, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._dice = plan.dice
        self._business = Business(world, plan.dice)
        self._rows = Rows(world)
        self._ladders = LadderWatch(world, self._rows, self._business)
        self._effects = EffectWatch(world, self._rows, self._business)
        self._hooks = HookWatch(world, self._rows, self._business)
        self._mail = MailWatch(world, self._rows, self._ladders, self._business)
        self._trouble = Trouble(world, plan.dice, self._business.happen, self._rival, UPKEEP_PLACES)
        self._story = Kept(plan.seed)
        self._broken: AssertionError | None = None
        world.machines.committed = self._at_every_commit

    def close(self) -> None:
        """Let go of files."""
        self._rows.close()
        self._world.close()

    def play(self) -> Kept:
        """Everything, in order."""
        self._begin()
        for _ in range(self._plan.steps):
            self._step()
        self._settle_down()
        story = self._story
        story.mails = len(self._world.post.sent)
        story.effects = self._effects.applied().total()
        for row in self._rows.transactions().values():
            story.states[row["state"]] = story.states.get(row["state"], 0) + 1
        story.made = sum(one.method == "POST" for one in self._world.heard)
        story.trace = self._world.trace
        return story

    def _at_every_commit(self) -> None:
        """What is found is told when the run is over: a checker is nobody whom production code may catch."""
        if self._broken:
            return
        try:
            self._ladders.at_every_commit()
            self._hooks.at_every_commit()
        except AssertionError as broken:
            self._broken = broken

    def _begin(self) -> None:
        """Subscriptions as the plan has them, perhaps some payments from before, and the first contact."""
        dice, subscribed = self._dice, self._plan.subscribed
        if "pay" in self._world.fakes and subscribed != "missing":
            topics = TOPICS["pay"][:4] if subscribed == "some" else TOPICS["pay"]
            endpoint = self._world.fakes["pay"].subscribe(URL + "pay", topics)
            endpoint.secrets[0].value = SECRETS["pay"]
            endpoint.enabled = subscribed != "disabled"
        if "shop" in self._world.fakes and subscribed != "missing":
            for topic in TOPICS["shop"][: 1 if subscribed == "some" else 9]:
                self._world.fakes["shop"].subscribe(topic, URL + "shop")
        for _ in range(dice.randint(0, 2)):
            self._business.happen()
            self._world.pass_time(dice.choice((1, 70, 400)))
        self._run(EVERYTHING, Options(), calm=dice.random() < 0.6)

    def _step(self) -> None:
        dice, plan = self._dice, self._plan
        self._world.pass_time(dice.choice(plan.waits))
        if dice.random() < 0.6:
            self._business.happen()
        if dice.random() < 0.06:
            self._business.operate()
        if dice.random() < 0.8:
            self._world.pass_time(dice.choice((0, 1, 30)))
            options = Options(scheduled=dice.random() < 0.5, wait=timedelta(seconds=dice.choice((0, 5, 35))))
            jobs = dice.choice(RUNS)
            if dice.random() < 0.05:
                options = replace(options, prune=True)
                self._world.prunes = True
            if dice.random() < 0.08:
                self._dry_run(jobs)
            self._run(jobs, options)

    def _dry_run(self, jobs: Sequence[str]) -> None:
        """S5: it changes nothing, asks for nothing to be changed, and writes to nobody."""
        world = self._world
        before = (self._rows.everything(), world.service.calls, len(world.post.sent), len(world.heard))
        report = self._attempt(jobs, Options(dry_run=True))
        if report is not None:
            after = (self._rows.everything(), world.service.calls, len(world.post.sent))
            assert after == before[:3], "S5: a dry run changed something of ours"
            changing = [one for one in world.heard[before[3] :] if one.method != "GET"]
            assert not changing, f"S5: a dry run asked for {changing}"

    def _run(self, jobs: Sequence[str], options: Options, *, calm: bool = False) -> RunReport | None:
        """One run under trouble; then the checkers look at what it left."""
        world, plan, dice = self._world, self._plan, self._dice
        plan_faults(world, dice, 0.0 if calm else plan.provider_faults)
        world.post.trouble(dice, 0.0 if calm else plan.post_trouble)
        self._trouble.prepare(0.0 if calm else plan.crashes, 0.0 if calm else plan.intrusions)
        begun, mischief = world.clock.now(), world.mischief
        report = self._attempt(jobs, options)
        self._trouble.calm_down()
        for faults in world.faults.values():
            faults.clear()
        world.post.calm_down()
        self._look(jobs, report, begun, mischief)
        return report

    def _look(self, jobs: Sequence[str], report: RunReport | None, begun: datetime, mischief: int) -> None:
        if self._broken:
            raise self._broken
        lost = report is None or any("taken by another runner" in error for error in report.errors)
        busy = report is not None and any("another runner is sending" in note for note in report.notes)
        if lost and report is not None:
            self._forgive(self._world.process)
        all_jobs = not jobs
        quiet = not lost and self._world.mischief == mischief
        self._ladders.after_run(
            report or RunReport("", begun), begun, asked=not lost and (all_jobs or "status-checks" in jobs)
        )
        self._hooks.after_run(report, checked=quiet and (all_jobs or "subscriptions" in jobs))
        self._mail.after_run(report, begun, told=not lost and not busy and (all_jobs or "alerts" in jobs))
        self._effects.after_run()

    def _attempt(self, jobs: Sequence[str], options: Options) -> RunReport | None:
        world = self._world
        world.say(f"run {jobs or 'everything'} {'dry' if options.dry_run else ''}")
        self._story.runs += 1
        try:
            report = world.run(world.process, jobs, options)
        except Killed as killed:
            self._story.killed += 1
            self._forgive(killed.victim)
            world.replace(killed, self._dice)
            return None
        world.say(
            f"run ended {report.exit_code} {report.transactions} {report.subscriptions and 'hooks'} {report.alerts} "
            f"{report.errors} {_RUN_ID.sub('…', str(report.notes))}"
        )
        return report

    def _forgive(self, process: Process) -> None:
        """Whoever was killed, or slept until its lease was taken, may have sent one mail that it could not note."""
        last = [sent for sent in self._world.post.sent if sent.by is process][-1:]
        for sent in last:
            sent.unheard = True

    def _rival(self, place: str) -> None:
        """A second runner of the same job, while the first one works."""
        world, dice = self._world, self._dice
        rival = world.machines.start(here=dice.random() < 0.5)
        jobs = ["alerts"] if place.startswith(("alerts", "mail")) else ["status-checks", "dispatch"]
        if place.startswith("subscription"):
            jobs = ["subscriptions"]
        if dice.random() < 0.4:
            world.pass_time(31)  # the leases of whoever sleeps here have run out
        if dice.random() < 0.15:
            world.pass_time(601)  # ... and what it claimed
        try:
            report = world.run(rival, jobs, Options(wait=timedelta(), scheduled=dice.random() < 0.5))
            world.say(f"rival at {place} ended {report.exit_code} {report.errors} {report.notes}")
            self._story.busy += report.exit_code == 75
        finally:
            world.machines.bury(rival)

    def _settle_down(self) -> None:
        """No more trouble: every ladder comes to its end, every delivery is made or given up, then runs do nothing."""
        world, plan = self._world, self._plan
        self._business.settle()
        world.pass_time(11 * 3600)
        self._calm_run(EVERYTHING)
        for _ in range(CLIMBS):
            self._climb()
            if not any(row["state"] == "pending" for row in self._rows.transactions().values()):
                break
        world.pass_time(3600 + plan.lag)
        for _ in range(QUIET_RUNS):
            before = self._standing()
            report = self._calm_run(EVERYTHING, force=True)  # a closed valve has been told of: somebody decides
            if self._standing() == before:  # H12: a run over a quiet world did nothing at all
                self._at_the_end(report)
                return
            world.pass_time(61)
        raise AssertionError(f"H12: after {QUIET_RUNS} quiet runs something still moves")

    def _climb(self) -> None:
        for rung in self._plan.ladder:
            self._world.pass_time(rung.total_seconds() + 1)
            self._calm_run(["status-checks", "dispatch"])

    def _standing(self) -> tuple[object, ...]:
        world = self._world
        changing = sum(one.method != "GET" for one in world.heard)
        return self._rows.standing(), world.service.calls, len(world.post.sent), changing

    def _calm_run(self, jobs: Sequence[str], *, force: bool = False) -> RunReport:
        report = self._run(jobs, Options(wait=timedelta(seconds=70), force=force), calm=True)
        assert report is not None, "nobody was to die any more"
        return report

    def _at_the_end(self, report: RunReport) -> None:
        self._ladders.at_the_end()
        self._effects.at_the_end()
        self._hooks.at_the_end(report)
        self._mail.at_the_end()
        self._purged_is_refused()

    def _purged_is_refused(self) -> None:
        """L5: where keys are gone, nobody can say what was handled: looking there is refused, and handles nothing."""
        sources = {row["source"] for row in self._rows.query("select source from reconcile_horizon where topic = ''")}
        for source in sources:
            calls = self._world.service.calls
            options = Options(since=START, sources=(source,), wait=timedelta(seconds=70))
            report = self._run(["backfill", "dispatch"], options, calm=True)
            assert report is not None
            assert "--allow-reprocess" in str(report.errors), f"L5: {source} was read again from {START} on"
            assert self._world.service.calls == calls, "L5: what was purged was handled again"
