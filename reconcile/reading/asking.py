"""From what an operator asked for to what is asked of one source: by whose clock, from which horizons on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconcile import when
from reconcile.clock import SKEW_NOTED
from reconcile.config import SourceConfig
from reconcile.connector import Connector, Facts, Greeting
from reconcile.context import Context, Options
from reconcile.errors import ConfigError
from reconcile.http import ProviderClient
from reconcile.ledger import horizons, leases
from reconcile.ledger.leases import Lease
from reconcile.reading.planes import unlisted, wanted_streams
from reconcile.reading.question import Ask
from reconcile.topics import Topics


@dataclass(slots=True)
class Asking:
    """What a run asks of a source; the sentences that are to be said of it are added to `notes`."""

    context: Context
    options: Options
    source: SourceConfig
    notes: list[str]

    def ask(self, connector: Connector, client: ProviderClient) -> Ask:
        """Greet the provider, and put together what it is asked. Topics never seen get their horizon."""
        purged = self._purged()
        self._check_keys(purged)
        greeting = connector.greet(client)
        topics = Topics(self._topics)
        self._note_what_is_unprovable(connector.facts, greeting, topics)
        now, settle = self._time(client)
        known = self._horizons(now)
        return Ask(
            topics=topics,
            horizons={topic: known[topic] for topic in topics},
            now=now,
            settle=settle,
            overlap=self.source.overlap,
            since=self.options.since,
            until=self.options.until,
            recheck=self.options.recheck or (self.options.baseline and self._is_older(purged)),
            streams=self.source.streams,
            account=greeting.account,
            limits=greeting.limits,
            detect_only=self.source.handler is None and not self.options.baseline,
            kept_from=purged,
        )

    def promise(self, ask: Ask, lease: Lease, *, whole: bool) -> None:
        """A baseline promises completeness from its beginning on once all of it is recorded: until then whoever reads
        what it left open would take it for missed.
        """
        if not whole:
            self._note(
                "the baseline is not whole, so completeness is promised from where it was before; "
                "run it again once the errors are gone"
            )
            return
        with self.context.ledger.write() as tx:
            leases.check(tx, lease)
            horizons.check_kept(tx, self.source.name, ask.start, ask.kept_from)
            horizons.set_(tx, self.source.name, self._topics, ask.start, "baseline")

    @property
    def _topics(self) -> tuple[str, ...]:
        return self.source.webhook.topics if self.source.webhook else ()

    def _note(self, sentence: str) -> None:
        self.notes.append(f"{self.source.name}: {sentence}")

    def _note_what_is_unprovable(self, facts: Facts, greeting: Greeting, topics: Topics) -> None:
        for warning in greeting.heard(wanted_streams(facts, topics, self.source.streams)):
            self._note(warning)
        if lost := unlisted(facts, topics):
            self._note(
                f"nothing lists {', '.join(lost)}: what was lost of these cannot be found, and nothing here "
                "proves them complete"
            )

    def _time(self, client: ProviderClient) -> tuple[datetime, timedelta]:
        """Provider time, and how long before it nothing is settled yet; ours, doubly careful, if it tells none."""
        now = client.provider_date
        if now is None:
            self._note("the provider tells no time; using this machine's clock and twice the settle time")
            return self.context.clock.now(), 2 * self.source.settle
        skew = self.context.clock.now() - now
        self.context.metrics.skewed(self.source.name, skew.total_seconds())
        if abs(skew) >= SKEW_NOTED:
            self._note(
                f"clock_skew: this machine's clock is {when.off(skew)} the provider's, which windows "
                "follow; set it by NTP: signatures of deliveries are refused beyond 5 minutes"
            )
        return now, self.source.settle

    def _horizons(self, now: datetime) -> dict[str, datetime]:
        """The horizon of every topic; those never seen start at `--since`, else at provider time now."""
        name, options = self.source.name, self.options
        with self.context.ledger.read() as tx:
            known = horizons.get(tx, name)
        new = [topic for topic in self._topics if topic not in known]
        start = options.since or now
        if options.baseline:
            known |= dict.fromkeys(self._topics, start)
        elif new and options.since is None:
            self._note(
                f"first sight of {', '.join(new)}: completeness is promised from {when.exact(now)} on; "
                "for what came before, use `reconcile run --since …` or, if it was handled already, "
                "`reconcile baseline --since …`"
            )
        if not (options.dry_run or options.baseline):
            with self.context.ledger.write() as tx:
                horizons.first_sight(tx, name, self._topics, start, "since" if options.since else "first_run")
        return known | dict.fromkeys(new, start)

    def _check_keys(self, purged: datetime | None) -> None:
        """Refuse to look where the record was purged: everything there would be taken for missed."""
        if purged and self._is_older(purged) and not (self.options.allow_reprocess or self.options.baseline):
            raise ConfigError(
                f"{self.source.name}: what was recorded of the time before {when.exact(purged)} was purged, so all of "
                "it would be handled again; begin no earlier, or say --allow-reprocess if that is what you want"
            )

    def _purged(self) -> datetime | None:
        with self.context.ledger.read() as tx:
            return horizons.purged(tx, self.source.name)

    def _is_older(self, purged: datetime | None) -> bool:
        """Whether it begins where keys were purged. A baseline may, but its horizon makes facts of that time count
        again: it has to record them anew, also of what is proven.
        """
        return bool(purged and self.options.since and self.options.since < purged)
