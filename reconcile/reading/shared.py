"""What the streams of a source share in a run, and what comes of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from reconcile.config import SourceConfig
from reconcile.connector import Connector
from reconcile.context import Context, Options
from reconcile.diff import Rebuild
from reconcile.errors import CredentialsRefused
from reconcile.http import ProviderClient
from reconcile.ledger.leases import Lease
from reconcile.reading.question import Ask
from reconcile.report import StreamReport


@dataclass(frozen=True, slots=True)
class Streaming:
    """What the streams of a source share in a run. `lease` is None in a dry run, which writes nothing.

    `now` is provider time; `began` is the ledger's time when the run began with this source.
    """

    context: Context
    options: Options
    source: SourceConfig
    connector: Connector
    rebuild: Rebuild | None
    client: ProviderClient
    lease: Lease | None
    ask: Ask
    now: Callable[[], datetime]
    began: datetime


@dataclass(slots=True)
class Outcome:
    """A stream's report, with its exit codes and sentences for people; `bug` is what none of ours raised.

    `refused` says that the provider does not take the credentials for this stream; `error_class` is of what ended it.
    """

    report: StreamReport
    refused: CredentialsRefused | None = None
    codes: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bug: Exception | None = None
    error_class: str = ""
