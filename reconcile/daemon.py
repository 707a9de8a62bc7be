"""The daemon: a timetable of jobs and standing dispatchers, until stopped; its configuration can be read anew.

What comes of one reading of the configuration is a `_Watch`. A new reading relieves it: the old one ticks no more and
its dispatchers give back what they hold, while a job it has begun goes on to its end under the configuration it began
with. Leases, claims and turns keep the two from doing anything twice, as they keep two daemons on one ledger.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from reconcile import rhythm, turns
from reconcile.clock import Stop
from reconcile.config import Config, ScheduleConfig, SourceConfig
from reconcile.connector import Connector
from reconcile.context import Context
from reconcile.dispatch.standing import Standing
from reconcile.errors import Busy, ConfigError, LedgerError, Stopped, reason_of
from reconcile.ledger import horizons
from reconcile.report import RunReport
from reconcile.scheduling import Timetable

log = logging.getLogger(__name__)

#: Seconds between two looks for a request to read the configuration anew.
_LOOK = 0.25
#: When a turn that could not be taken, because the ledger was away, is looked at again.
AWAY = timedelta(minutes=1)
#: Seconds that jobs at work get once a stop was asked for; dispatchers take eight of their own beside them.
GRACE = 9.0


class _Watch:
    """Everything that comes of one reading of the configuration."""

    def __init__(self, context: Context) -> None:
        self.context = replace(context, stop=Stop())
        self.sources = {
            name: (source, self.context.connector(source)) for name, source in context.config.sources.items()
        }
        # Dispatchers end with the watch, jobs at work only with the daemon.
        self.standing = Standing(replace(self.context, stop=Stop()))
        schedules = {rhythm.name_of(schedule): schedule for schedule in context.config.schedules}
        zone = ZoneInfo(context.config.timezone)
        self._timetable = Timetable(list(schedules.values()), zone, self._tick, context.clock.monotonic)
        self._idle = threading.Condition()
        self._working = 0
        self._said: dict[str, frozenset[str]] = {}
        self._owed: set[str] = set()  # schedules whose turn was taken and came to nothing

    def start(self) -> None:
        """Promise completeness from now on, and begin."""
        with self.context.ledger.write() as tx:
            for source in self.context.config.sources.values():
                if source.webhook is not None:
                    horizons.first_sight(tx, source.name, source.webhook.topics, tx.now, "daemon")
        self.standing.start()
        self._timetable.start()

    def age(self) -> float:
        """Seconds since the timetable's last sign of life."""
        return self._timetable.age()

    def nudge(self) -> None:
        """Let the timetable see whether it is waiting for a time that is past."""
        self._timetable.nudge()

    @property
    def failure(self) -> str:
        """Why the timetable ticks no more, "" while it does."""
        return self._timetable.failure

    def relieve(self) -> None:
        """Tick no more and deliver no more; jobs at work go on."""
        self._timetable.stop()
        self.standing.stop()

    def stop(self, exit_code: int) -> None:
        """Ask jobs at work to stop where it is safe."""
        self.context.stop.set(exit_code)

    def wait(self, seconds: float) -> bool:
        """Wait until no job is at work any more, at most `seconds`; whether that came true."""
        with self._idle:
            return self._idle.wait_for(lambda: self._working == 0, seconds)

    def _tick(self, schedule: ScheduleConfig) -> None:
        if schedule.job == "dispatch":
            self.standing.notify_all()  # it delivers all the time; a run of its own would only start more processes
            return
        with self._idle:
            self._working += 1
        try:
            if not self.context.stop.is_set() and self._is_ours(schedule):
                report = turns.run(self.context, schedule, "daemon", timedelta())
                self._say(schedule, report)
                self._make_up(schedule, report)
        finally:
            with self._idle:
                self._working -= 1
                self._idle.notify_all()

    def _is_ours(self, schedule: ScheduleConfig) -> bool:
        """Take the turn of a schedule. The next one may be a week away: a ledger that is not there is asked again."""
        name = rhythm.name_of(schedule)
        try:
            if name in self._owed:
                turns.give_back(self.context, schedule)
                self._owed.remove(name)
            return turns.take(self.context, schedule)
        except LedgerError:
            self._timetable.again(schedule, AWAY)
            raise

    def _make_up(self, schedule: ScheduleConfig, report: RunReport) -> None:
        """Run a turn whose run lost the ledger once more as soon as it is back."""
        if report.exit_code == LedgerError.exit_code:
            self._owed.add(rhythm.name_of(schedule))
            self._timetable.again(schedule, AWAY)

    def _say(self, schedule: ScheduleConfig, report: RunReport) -> None:
        """Log what a turn has to tell, unless the turn before it told the same. That somebody else is at work on a
        source is news to nobody.
        """
        level = logging.INFO if report.exit_code == Busy.exit_code else logging.ERROR
        told = [(level, error) for error in dict.fromkeys((*report.errors, *_of_streams(report)))]
        told += [(logging.WARNING, note) for note in report.notes]
        name = rhythm.name_of(schedule)
        before = self._said.get(name, frozenset())
        self._said[name] = frozenset(sentence for _, sentence in told)
        for how, sentence in told:
            if sentence not in before:
                log.log(how, "%s: %s", schedule.job, sentence)


class Daemon:
    """Runs `context.config`'s schedules until `context.stop`, which it sets itself, with 1, if its timetable ends.
    `read` reads the configuration anew.

    `at_end` is called as soon as a stop was asked for; it must not wait. `changed` is told of each new configuration.
    """

    at_end: Callable[[], None] | None = None
    changed: Callable[[Config], None] | None = None

    def __init__(self, context: Context, read: Callable[[], Config]) -> None:
        self.config = context.config
        self._context = context
        self._read = read
        self._asked = False
        self._relieved: list[tuple[_Watch, threading.Thread]] = []
        self._watch = _Watch(context)

    def age(self) -> float:
        """Seconds since the timetable's last sign of life."""
        return self._watch.age()

    def source(self, name: str) -> tuple[SourceConfig, Connector] | None:
        """A source by its key, as the configuration in force has it: what a receiver asks."""
        return self._watch.sources.get(name)

    def stored(self, source: str) -> None:
        """A delivery of `source` was committed."""
        self._watch.standing.notify(source)

    def read_again(self) -> None:
        """Ask for the configuration to be read anew; safe in a signal handler."""
        self._asked = True

    def run(self) -> bool:
        """Work until stopped; False if a job at work did not end in time, so that only leaving the process ends it."""
        self._watch.start()
        while not self._context.stop.wait(_LOOK):
            self._watch.nudge()
            self._give_up_if_idle()
            if self._asked:
                self._asked = False
                self._change()
        return self._end()

    def _give_up_if_idle(self) -> None:
        """A daemon that never looks again, but lives, is restarted by nobody: end with an error, in order."""
        if self._watch.failure:
            log.critical("the timetable has ended (%s), and so does the daemon: start it again", self._watch.failure)
            self._context.stop.set(1)

    def _change(self) -> None:
        try:
            watch = _Watch(replace(self._context, config=self._same_ledger(self._read())))
            watch.start()
        except Stopped:
            return
        except (ConfigError, LedgerError) as error:
            # The message says all of it: a traceback would only hide it.
            log.error("the new configuration is refused, the one in force goes on:\n%s", error)  # noqa: TRY400
            return
        old, self._watch, self.config = self._watch, watch, watch.context.config
        thread = threading.Thread(target=old.relieve, name="relieve")
        thread.start()
        self._relieved = [(one, by) for one, by in self._relieved if by.is_alive() or not one.wait(0)]
        self._relieved.append((old, thread))
        if self.changed is not None:
            self.changed(self.config)

    def _same_ledger(self, config: Config) -> Config:
        if config.ledger != self._context.config.ledger:
            raise ConfigError("ledger: another one needs a restart of the daemon")
        return config

    def _end(self) -> bool:
        if self.at_end is not None:
            self.at_end()
        watches = [self._watch, *(watch for watch, _ in self._relieved)]
        # To a job it is a stop like any other, whatever ours is for.
        code = Stopped.exit_code if self._watch.failure else self._context.stop.exit_code
        for watch in watches:
            watch.stop(code)
        until = self._context.clock.monotonic() + GRACE
        self._watch.relieve()
        for _, thread in self._relieved:
            thread.join(max(0.0, until - self._context.clock.monotonic()))
        return all(watch.wait(max(0.0, until - self._context.clock.monotonic())) for watch in watches)


def _of_streams(report: RunReport) -> list[str]:
    """What streams failed by, if a source's own error does not say it already."""
    said = " ".join(report.errors)
    lacking = [one for one in report.streams if one.error and one.error not in said]
    return [f"{one.source} {one.stream}: {reason_of(one.source, one.error)}" for one in lacking]
