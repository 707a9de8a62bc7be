"""Writing down what a page came to, in one commit: events, gaps, counts, coverage."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconcile import inbox
from reconcile.book import Book
from reconcile.diff import Findings, GapFound, rebuilt
from reconcile.inbox import How
from reconcile.ledger import Ledger, checkpoints, coverage, findings, gaps, horizons, leases, streams, subjects
from reconcile.ledger.checkpoints import Checkpoint
from reconcile.ledger.coverage import Covered
from reconcile.ledger.findings import Finding
from reconcile.ledger.leases import Lease
from reconcile.ledger.ledger import Tx
from reconcile.model import Arrival, EventState, GapKind, Occurrence, Origin, Reported, Subject, Window, iso
from reconcile.reading.judge import Judgement
from reconcile.reading.recall import Recall
from reconcile.reading.recorder import Counts, OpenWindow
from reconcile.transactions import hearing
from reconcile.transactions.decide import Road

#: A run may read a stream twice, before and after it mended subscriptions: its items are told apart.
_READINGS = itertools.count()
#: What makes an event one that this run recorded: it goes its way because of it.
_RECORDED = (How.NEW, How.REVIVED)


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What coverage is kept by."""

    source: str
    stream: str
    fingerprint: str


@dataclass(slots=True)
class LedgerRecorder:
    """Writes pages to the ledger under the source's lease. `detect_only`: what is missing becomes a gap, not an event.

    `book` says in which state missed events are entered: held, or (a baseline) handled. `tell` is what the body of
    one tells of transactions. `kept_from` is from when on keys were kept when the run began.
    """

    ledger: Ledger
    lease: Lease
    key: StreamKey
    book: Book
    floors: Mapping[str, int]
    overlap: timedelta
    resumable: bool
    detect_only: bool
    tell: Callable[[Arrival], tuple[Reported, ...]]
    kept_from: datetime | None = None
    reading: int = field(default_factory=lambda: next(_READINGS))
    ordinals: itertools.count[int] = field(default_factory=itertools.count)
    incomplete: list[Window] = field(default_factory=list)

    def page(self, opened: OpenWindow, judged: Judgement, cursor: str | None, recalled: Recall | None) -> None:
        """One commit: the fence, what was found, the counts, and the checkpoint or the coverage."""
        before = replace(opened.counts)
        opened.counts.add(judged)
        if judged.quiet() and recalled is None and not self.resumable:
            return
        kept = recalled is not None or (self.resumable and cursor is not None)
        unfinished = 0 if kept else opened.unfinished + opened.counts.plain
        try:
            self._commit(opened, judged, cursor, recalled, unfinished)
        except BaseException:
            opened.counts = before  # what was undone was not counted either (C2)
            raise
        opened.counts, opened.unfinished = Counts(), unfinished

    def _commit(
        self, opened: OpenWindow, judged: Judgement, cursor: str | None, recalled: Recall | None, unfinished: int
    ) -> None:
        with self.ledger.write() as tx:
            leases.check(tx, self.lease)
            self._found(tx, opened, judged)
            if recalled is not None:
                self._finish(tx, opened, recalled)
            elif self.resumable and cursor is not None:
                checkpoints.save_checkpoint(tx, self._checkpoint(opened, cursor))
            self._count(tx, opened, unfinished)

    def leave(self, opened: OpenWindow) -> None:
        """Keep the counts of a window that was left; its pages are committed, its coverage is not."""
        with self.ledger.write() as tx:
            leases.check(tx, self.lease)
            self._count(tx, opened, 0)  # the run that listed them lives to weigh them
        opened.counts, opened.unfinished = Counts(), 0

    def _count(self, tx: Tx, opened: OpenWindow, unfinished: int) -> None:
        counts = opened.counts
        streams.add_counts(
            tx,
            self.book.run_id,
            self.key.source,
            self.key.stream,
            listed=counts.listed,
            already_handled=counts.already_handled,
            superseded=counts.superseded,
            filtered=counts.filtered,
            beside=counts.beside,
            unfinished=unfinished - opened.unfinished,
            events=counts.events,
            unlisted_gaps=counts.unlisted_gaps,
        )

    def _found(self, tx: Tx, opened: OpenWindow, judged: Judgement) -> None:
        found = self._taken_as_handled(judged.findings)
        if oldest := min((at for _, one in found.missing if (at := one.description.occurred_at)), default=None):
            horizons.check_kept(tx, self.key.source, oldest, self.kept_from)
        names: dict[int, str] = {place: f"{self.reading}:{next(self.ordinals)}" for place in sorted(found.classes())}
        rows: list[Finding] = [self._finding(names[place], seq=holder.seq) for place, holder in found.held]
        self._import(tx, [self._telling(arrival) for _, arrival in found.imported])
        if self.detect_only:
            missing = self._detect(tx, found.missing)
        else:
            missing = []
            rows += self._record(tx, opened, found.missing, names)
        rows += [self._gap(tx, names[gap.place], gap) for gap in (*found.gaps, *missing)]
        findings.add(tx, rows)
        subjects.raise_versions(tx, self.key.source, judged.behind)
        hearing.hear(tx, self.key.source, judged.transactions, Road.LIST)

    def _telling(self, arrival: Arrival) -> Arrival:
        return replace(arrival, reports=self.tell(arrival))

    def _taken_as_handled(self, found: Findings) -> Findings:
        """A baseline records what exists as handled, so it is no gap that no event can be built of some of it."""
        if self.book.state is not EventState.HANDLED:
            return found
        built = [(gap.place, rebuilt(self.key.source, gap.candidate)) for gap in found.gaps if gap.candidate]
        return replace(found, missing=found.missing + built, gaps=[gap for gap in found.gaps if not gap.candidate])

    def _detect(self, tx: Tx, missing: Sequence[tuple[int, Arrival]]) -> list[GapFound]:
        """Without a handler what was missed is a gap; a subject known in an older version is stale, not missing."""
        described = [arrival.description for _, arrival in missing]
        known = subjects.known(tx, self.key.source, {one.subject for one in described if one.subject})
        newer = [(one.subject, one.version) for one in described if one.subject in known and one.version is not None]
        subjects.raise_versions(tx, self.key.source, [(subject, version) for subject, version in newer if subject])
        return [_missing(place, arrival, known) for place, arrival in missing]

    def _record(
        self, tx: Tx, opened: OpenWindow, missing: Sequence[tuple[int, Arrival]], names: Mapping[int, str]
    ) -> Iterable[Finding]:
        if not missing:
            return []
        arrivals = [self._telling(arrival) for _, arrival in missing]
        if self.book.state is EventState.HANDLED:
            arrivals = [replace(arrival, origin=Origin.BASELINE) for arrival in arrivals]
        results = inbox.record(tx, self.book, arrivals)
        opened.counts.events += sum(1 for one in results if one.how in _RECORDED)
        return [
            self._finding(names[place], seq=one.seq, recorded=one.how in _RECORDED)
            for (place, _), one in zip(missing, results, strict=True)
        ]

    def _import(self, tx: Tx, arrivals: Sequence[Arrival]) -> None:
        """What the app says it handled is entered as handled, without the body: the app has it."""
        if arrivals:
            book = replace(self.book, state=EventState.HANDLED)
            inbox.record(tx, book, [replace(one, origin=Origin.IMPORTED, body=b"") for one in arrivals])

    def _finding(
        self, item: str, *, seq: int | None = None, gap_id: int | None = None, recorded: bool = False
    ) -> Finding:
        return Finding(self.book.run_id, self.key.source, self.key.stream, item, seq, gap_id, recorded)

    def _gap(self, tx: Tx, item: str, gap: GapFound) -> Finding:
        gap_id = gaps.open_(
            tx,
            source=self.key.source,
            kind=gap.kind,
            key=gap.key,
            stream=self.key.stream,
            subject=gap.subject,
            topic=gap.topic,
            reason=gap.reason,
            run_id=self.book.run_id,
        )
        return self._finding(item, gap_id=gap_id)

    def _checkpoint(self, opened: OpenWindow, cursor: str) -> Checkpoint:
        return Checkpoint(
            source=self.key.source,
            stream=self.key.stream,
            fingerprint=self.key.fingerprint,
            window=opened.window,
            read_at=opened.read_at,
            floors=dict(self.floors),
            cursor=cursor,
            pages=opened.pages,
            items=opened.items,
        )

    def _finish(self, tx: Tx, opened: OpenWindow, recalled: Recall) -> None:
        key = self.key
        subjects.raise_versions(tx, key.source, recalled.moved)
        for subject in recalled.deleted:
            subjects.mark_deleted(tx, key.source, subject, tx.now)
            self._unlisted(tx, opened, subject, GapKind.DELETED, "the provider says that it is gone")
        for subject in recalled.unlisted:
            reason = "the provider has it unchanged, and its list lacks it"
            self._unlisted(tx, opened, subject, GapKind.LISTING_INCOMPLETE, reason)
        if recalled.unproven:
            self._unlisted(tx, opened, None, GapKind.LISTING_INCOMPLETE, recalled.unproven)
        if recalled.complete:
            covered = Covered(opened.window, opened.read_at, dict(self.floors))
            coverage.add(tx, key.source, key.stream, key.fingerprint, covered, self.book.run_id, overlap=self.overlap)
        else:
            # What an earlier run proved of it is doubtful now: the next run reads it again by itself.
            coverage.remove(tx, key.source, key.stream, key.fingerprint, opened.window)
            self.incomplete.append(opened.window)
        checkpoints.drop_checkpoint(tx, key.source, key.stream, key.fingerprint, opened.window)

    def _unlisted(self, tx: Tx, opened: OpenWindow, subject: Subject | None, kind: GapKind, reason: str) -> None:
        opened.counts.unlisted_gaps += 1
        gaps.open_(
            tx,
            source=self.key.source,
            kind=kind,
            # A stretch is known by its beginning: its end moves on with every run that finds it doubtful again.
            key=f"{self.key.stream} {subject or iso(opened.window.start)}",
            stream=self.key.stream,
            subject=subject,
            reason=reason,
            run_id=self.book.run_id,
            start=opened.window.start,
            end=opened.window.end,
            grows=subject is None,
        )


def _missing(place: int, arrival: Arrival, known: Container[Subject | None]) -> GapFound:
    """A missed event of a source that has no handler: nothing to run, so it is a gap."""
    described = arrival.description
    stale = described.kind is Occurrence.STATE and described.subject in known
    kind, reason = (GapKind.STALE, "a newer state was never recorded") if stale else (GapKind.MISSING, "never recorded")
    key = described.key if arrival.reconstructed else arrival.id
    return GapFound(place, kind, key, described.topic, described.subject, f"{reason}; the source has no handler")
