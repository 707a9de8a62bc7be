"""A page against the record: asks the ledger what it lacks, the app what it handled, and says what that means.

Reads only. What it finds is written by `reconcile.reading.record`, in one commit with the page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import cast

from reconcile import diff
from reconcile.connector import StreamFacts, StreamKind
from reconcile.diff import Asked, Findings, Floor, Holder, Questions, Rebuild, Standing
from reconcile.ledger import recognition
from reconcile.ledger.ledger import Tx
from reconcile.ledger.recognition import Held, Lacking
from reconcile.model import EventState, Item, LoggedEvent, Reported, Snapshot, Subject, Window
from reconcile.transactions import hearing
from reconcile.transactions.telling import Shows

#: What the app's own record says it handled, of the keys it is asked for.
Elsewhere = Callable[[Collection[str]], AbstractSet[str]]

_STANDING = {
    EventState.HELD: Standing.OPEN,
    EventState.WAITING: Standing.OPEN,
    EventState.CLAIMED: Standing.OPEN,
    EventState.DEAD: Standing.GAP,
    EventState.SUPERSEDED: Standing.SUPERSEDED,
    EventState.HANDLED: Standing.DONE,
    EventState.IGNORED: Standing.DONE,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What pages are judged by: the source, its subscribed topics, and from when on each of them counts.

    `floors` has every topic that a list of this stream can prove; `floor` answers for a log's topics, wildcards
    included. Both are microseconds. Where there is a handler, what was ignored when it came accounts for nothing.
    `shows` asks a listed resource for transactions.
    """

    source: str
    stream: StreamFacts
    topics: frozenset[str]
    floors: Mapping[str, int]
    floor: Floor
    rebuild: Rebuild
    elsewhere: Elsewhere | None = None
    has_handler: bool = False
    shows: Shows | None = None


@dataclass(slots=True)
class Judgement:
    """What a page came to: findings, and the counts of items that need no row. `behind` have a newer version here.
    `beside` of the filtered ones are repeats or lie outside the window.

    `transactions` are those that it shows and that are news.
    """

    listed: int
    filtered: int
    already_handled: int
    findings: Findings = field(default_factory=Findings)
    behind: list[tuple[Subject, int]] = field(default_factory=list)
    transactions: list[Reported] = field(default_factory=list)
    beside: int = 0

    def quiet(self) -> bool:
        """Whether there is nothing to write about it."""
        found = self.findings
        odd = found.missing or found.imported or found.held or found.gaps
        return not (odd or self.behind or self.transactions)


def judge(tx: Tx, scope: Scope, items: Sequence[Item], window: Window, seen: set[tuple[str, int]]) -> Judgement:
    """Judge one page of `window`; `seen` is what the window listed before, and grows."""
    if scope.stream.kind is StreamKind.LOG:
        logged = cast("Sequence[LoggedEvent]", items)
        asked = diff.ask_log(logged, window, seen, scope.floor)
        findings, behind = _judge_log(tx, scope, asked), list[tuple[Subject, int]]()
        news = list[Reported]()
    else:
        snapshots = cast("Sequence[Snapshot]", items)
        asked = diff.ask_snapshots(snapshots, window, seen, scope.rebuild, scope.floors)
        findings, behind = _judge_snapshots(tx, scope, asked)
        news = _transactions(tx, scope, snapshots)
    odd = sum(1 for standing in findings.classes().values() if standing is not Standing.DONE)
    _forget_done(findings)
    return Judgement(len(items), asked.filtered, asked.judged - odd, findings, behind, news, asked.beside)


def _transactions(tx: Tx, scope: Scope, snapshots: Sequence[Snapshot]) -> list[Reported]:
    if scope.shows is None:
        return []
    return hearing.news(tx, scope.source, [one for item in snapshots for one in scope.shows(item)])


def _forget_done(findings: Findings) -> None:
    """An item another thread finished between two questions is simply done."""
    findings.held = [(place, holder) for place, holder in findings.held if holder.standing is not Standing.DONE]


def _judge_log(tx: Tx, scope: Scope, asked: Questions) -> Findings:
    ids = [item.id for _, item in asked.ids]
    places = recognition.unfinished_ids(tx, scope.source, ids, ignored_is_done=not scope.has_handler) if ids else []
    lacking = [asked.ids[n] for n in places]
    if not lacking:
        return Findings()
    known = recognition.by_id(tx, scope.source, [item.id for _, item in lacking])
    holders = {id_: _holder(held) for id_, held in known.items() if _counts(scope, held)}
    return diff.of_log(lacking, holders, _elsewhere(scope, [item.id for _, item in lacking if item.id not in holders]))


def _judge_snapshots(tx: Tx, scope: Scope, asked: Questions) -> tuple[Findings, list[tuple[Subject, int]]]:
    if not (asked.facts or asked.states or asked.seen):
        return Findings(), []
    answer = recognition.lacking(
        tx,
        scope.source,
        scope.topics,
        [one.candidate.key for one in asked.facts],
        [_state(one) for one in asked.states],
        [(item.subject.type, item.subject.id, item.version) for item in asked.seen],
        ignored_is_done=not scope.has_handler,
    )
    behind = [(asked.seen[n].subject, asked.seen[n].version) for n in answer.behind]
    lacking = _facts(tx, scope, asked, answer) + _states(tx, scope, asked.states, answer)
    keys = [one.candidate.key for one, holder in lacking if holder is None]
    return diff.of_snapshots(scope.source, lacking, _elsewhere(scope, keys)), behind


def _state(one: Asked) -> tuple[str, str, int]:
    return one.candidate.subject.type, one.candidate.subject.id, one.candidate.version


def _facts(tx: Tx, scope: Scope, asked: Questions, answer: Lacking) -> list[tuple[Asked, Holder | None]]:
    """The facts not done, and the repeatable ones even if done: a later occurrence of those cannot be told apart."""
    open_ = [asked.facts[n] for n in sorted({*answer.facts, *asked.repeated})]
    if not open_:
        return []
    holders = recognition.by_fact(tx, scope.source, [one.candidate.key for one in open_])
    return [(one, _best(scope, holders.get(one.candidate.key, ()))) for one in open_]


def _states(tx: Tx, scope: Scope, asked: Sequence[Asked], answer: Lacking) -> list[tuple[Asked, Holder | None]]:
    open_ = [asked[n] for n in answer.states]
    if not open_:
        return []
    known = recognition.by_version(tx, scope.source, scope.topics, [_state(one) for one in open_])
    holders = {n: _holder(held) for n, held in known.items() if _counts(scope, held)}
    return [(one, holders.get(n)) for n, one in enumerate(open_)]


def _counts(scope: Scope, held: Held) -> bool:
    """Recorded is not handled: what was ignored when it came is still missed by a handler that wants it now."""
    return held.state is not EventState.IGNORED or not scope.has_handler


def _holder(held: Held) -> Holder:
    """One that took in the real delivery of its fact was rebuilt as well, whatever bytes it has now."""
    return Holder(held.seq, _STANDING[held.state], held.reconstructed or held.absorbed)


def _best(scope: Scope, holders: Sequence[Held]) -> Holder | None:
    """The holder that speaks for a fact: one that is done, else the one nearest to it; rebuilt before live."""
    found = [_holder(held) for held in holders if _counts(scope, held)]
    return max(found, key=lambda holder: (holder.standing, holder.reconstructed), default=None)


def _elsewhere(scope: Scope, keys: Sequence[str]) -> AbstractSet[str]:
    return scope.elsewhere(keys) if scope.elsewhere is not None and keys else frozenset()
