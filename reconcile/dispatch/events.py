"""From a row of the ledger to what a handler receives."""

from __future__ import annotations

import msgspec

from reconcile.ledger.claims import Taken
from reconcile.model import Event, Origin, Subject, instant
from reconcile.targets.model import Job
from reconcile.targets.wire import parsed


def event_of(row: Taken) -> Event:
    """The event of a claimed row; `data` is None when the body is not JSON, which keeps nobody from delivering it."""
    body = row.body or b""
    return Event(
        id=row.id,
        source=row.source,
        topic=row.topic,
        subject=Subject(row.subject_type, row.subject_id) if row.subject_id else None,
        version=row.version,
        occurred_at=None if row.occurred_at is None else instant(row.occurred_at),
        data=parsed(body),
        body=body,
        headers=msgspec.json.decode(row.headers or b"{}", type=dict[str, str]),
        api_version=row.api_version,
        origin=Origin(row.origin),
        reconstructed=bool(row.reconstructed),
        late=bool(row.late),
        attempt=row.attempts + 1,
        idempotency_key=row.id,
    )


def job_of(row: Taken) -> Job:
    """The job for a row that was just claimed."""
    return Job(seq=row.seq, fence=row.claim_fence, owner=row.claim_owner, event=event_of(row), number=row.attempts + 1)
