"""The one door out: from waiting events in the ledger to a source's target, in order per subject."""

from __future__ import annotations

from reconcile.dispatch.dispatcher import Dispatcher
from reconcile.dispatch.events import event_of, job_of
from reconcile.dispatch.loops import drain
from reconcile.dispatch.tally import Tally

__all__ = ["Dispatcher", "Tally", "drain", "event_of", "job_of"]
