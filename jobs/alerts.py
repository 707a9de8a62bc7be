"""The alerts job: see what people should know, put it into the outbox, and send what is there.

Mail that does not leave never fails anything else: it stays queued, the report counts it and the run exits 3.
"""

from __future__ import annotations

from reconcile import failpoints, when
from reconcile.alerts import delivery, outbox, watch
from reconcile.config import AlertsConfig
from reconcile.connector.hooks import counts_in_minor_units
from reconcile.context import Context, Options
from reconcile.errors import Busy
from reconcile.leasing import holding
from reconcile.ledger import incidents, leases, mails
from reconcile.ledger.leases import Lease
from reconcile.report import RunReport

NAME = "alerts"
#: One runner at a time tells, whatever it is about: the lease is on no source.
EVERYONE = ""


def run(context: Context, options: Options, report: RunReport) -> int:
    """Tell what nobody was told yet. Without `alerts:` in the configuration incidents are kept, and nobody is told."""
    if options.dry_run:
        return _foretell(context, report)
    try:
        with holding(context, EVERYONE, NAME) as lease:
            _tell(context, options, report, lease)
    except Busy:
        report.notes.append("alerts: another runner is sending at this moment")
    return _left(context, report)


def _tell(context: Context, options: Options, report: RunReport, lease: Lease) -> None:
    ledger, alerts = context.ledger, context.config.alerts
    failpoints.reach("alerts.before_commit")
    with ledger.read() as tx:
        seen = watch.look(tx, context.config, context.sources(options), alerts)
    watch.write(ledger, lease, seen)
    failpoints.reach("alerts.seen")
    with ledger.read() as tx:
        post = outbox.prepare(tx, alerts, _in_minor_units(context))
    with ledger.write() as tx:
        leases.check(tx, lease)
        outbox.queue(tx, post)
        if alerts is not None:
            outbox.readdress(tx, alerts)
    failpoints.reach("alerts.committed")
    if alerts is not None:
        _send(context, options, report, lease, alerts)


def _in_minor_units(context: Context) -> frozenset[str]:
    sources = context.config.sources.items()
    return frozenset(name for name, source in sources if counts_in_minor_units(context.connector(source)))


def _send(context: Context, options: Options, report: RunReport, lease: Lease, alerts: AlertsConfig) -> None:
    done = delivery.deliver(context, alerts, lease, everything=not options.scheduled)
    report.alerts["sent"] += done.sent
    if done.trouble:
        report.notes.append(f"alerts: mail does not leave: {done.trouble}. It stays queued: `reconcile run alerts`")


def _left(context: Context, report: RunReport) -> int:
    """What is still to be sent, if anyone is to be told at all."""
    if context.config.alerts is None:
        return 0
    with context.ledger.read() as tx:
        unsent = mails.unsent(tx)
    report.alerts["queued"] = unsent.queued
    if unsent.dead:
        report.notes.append(f"alerts: {unsent.dead} mails were refused for good: `reconcile alerts list` says why")
    return 3 if unsent else 0


def _foretell(context: Context, report: RunReport) -> int:
    with context.ledger.read() as tx:
        waiting = incidents.count(tx)
        report.alerts["queued"] = mails.unsent(tx).queued
    report.notes.append(f"alerts: {when.times(waiting, 'open incident')}; a dry run tells nobody")
    return 0
