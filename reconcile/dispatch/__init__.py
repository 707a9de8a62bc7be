"""The one door out: from waiting events in the ledger to a source's target, in order per subject."""

from __future__ import annotations

from reconcile import records
from reconcile.config import SourceConfig
from reconcile.context import Context
from reconcile.dispatch.dispatcher import Dispatcher
from reconcile.dispatch.events import event_of, job_of
from reconcile.dispatch.loops import drain
from reconcile.dispatch.tally import Tally
from reconcile.targets.model import Outcome, Target

__all__ = ["Dispatcher", "Tally", "dispatcher_of", "drain", "event_of", "job_of"]


def dispatcher_of(context: Context, source: SourceConfig, target: Target) -> Dispatcher:
    """The dispatcher of one source in this process, which tells `context.progress` and `metrics` of every outcome."""

    def told(outcome: Outcome) -> None:
        context.progress.handled(source.name, outcome.verdict)
        took = (outcome.finished_at - outcome.started_at).total_seconds()
        context.metrics.called(source.name, outcome.job.event.topic, outcome.verdict, took)
        records.called(context.run_id, source, outcome)

    return Dispatcher(
        ledger=context.ledger,
        source=source,
        target=target,
        clock=context.clock,
        stop=context.stop,
        owner=context.holder.name,
        on_outcome=told,
    )
