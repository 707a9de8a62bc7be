"""Making a subscription, also when nobody hears whether it was made (S2), and keeping its secret (S4).

Each attempt has a key, recorded before the request. A provider that keeps keys lists it with the subscription and
answers the same request under the same key as it did the first time, so that a secret shown once can be asked for once
more: after an answer that got lost, and after a crash between the answer and our commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from reconcile import failpoints
from reconcile.config import SourceConfig
from reconcile.config.key import VARIABLE
from reconcile.connector import ManagesSubscriptions, Subscription, Wanted
from reconcile.connector.hooks import hands_out_secrets
from reconcile.context import Context
from reconcile.errors import BadAnswer, CredentialsRefused, LedgerError, Rejected, Retriable
from reconcile.http import ProviderClient
from reconcile.ledger import leases, subscriptions
from reconcile.ledger.leases import Lease
from reconcile.ledger.ledger import Tx
from reconcile.ledger.subscriptions import Ours, Secrecy
from reconcile.subscriptions.plan import is_at, sends
from reconcile.vault import Vault

#: Keys tried in one run, and requests made under each.
KEYS, REQUESTS = 2, 2
#: How long a key is sure to bring the same answer: Stripe promises 24 hours, an hour less is on the safe side.
REMEMBERED = timedelta(hours=23)
#: After this a list shows what was made: an attempt it still lacks came to nothing.
LISTED_AFTER = timedelta(hours=1)

#: The status of an answer to a request that is still being carried out.
_AT_WORK = 409

#: What is committed together with a subscription that was made.
Told = Callable[[Tx, Subscription], None]


@dataclass(frozen=True, slots=True)
class Work:
    """One source, held by a lease."""

    context: Context
    source: SourceConfig
    connector: ManagesSubscriptions
    client: ProviderClient
    lease: Lease
    vault: Vault


@dataclass(frozen=True, slots=True)
class Made:
    """What an attempt came to; `existed` if somebody else had made it meanwhile."""

    subscription: Subscription
    existed: bool = False


def make(work: Work, wanted: Wanted, before: Collection[str], told: Told) -> Made:
    """Make one, and commit it with its secret. `before` are the ids that were listed already.

    Raises `Retriable` when it cannot be known whether it was made; what was, the next run finds.
    """
    _place_for_its_secret(work)
    for _ in range(KEYS):
        attempt = _asked(work, wanted)
        made = _attempt(work, attempt, before)
        if made is not None:
            if made.existed:
                _forget(work, attempt.key)
            else:
                _record(work, attempt.key, made.subscription, told)
            return made
    raise _unknown(work, wanted)


def resume(work: Work, pending: Sequence[Ours], observed: Sequence[Subscription], told: Callable[[Ours], Told]) -> int:
    """Find out what came of attempts whose answer was never recorded; how many made one that counts."""
    listed = {one.mark: one for one in observed if one.mark}
    resumed = 0
    for ours in pending:
        age = work.context.ledger.now() - ours.asked_at
        if (found := listed.get(ours.key)) is not None:
            resumed += _learn(work, ours, found, told(ours), remembered=age < REMEMBERED)
        elif age > LISTED_AFTER:
            _forget(work, ours.key)
    return resumed


def _learn(work: Work, ours: Ours, found: Subscription, told: Told, *, remembered: bool) -> bool:
    """Ask for the first answer once more, as long as the provider remembers it; whether it came, with its secret.

    An answer that does not come for now leaves everything as it is: the next run asks again.
    """
    again: Subscription | None = None
    try:
        if remembered:
            again = work.connector.create(work.client, ours.wanted)
    except (Retriable, BadAnswer):
        return False
    except Rejected as error:
        if error.status == _AT_WORK:
            return False
    _record(work, ours.key, again or found, told if again else _nothing, lost=again is None)
    return again is not None


def _place_for_its_secret(work: Work) -> None:
    """A secret that is shown once must not be asked for where it could not be kept (S4)."""
    if not hands_out_secrets(work.connector):
        return
    try:
        work.vault.ready(work.source.name)
    except LedgerError as error:
        raise Rejected(
            f"{work.source.name}: no subscription is made, since its signing secret would be lost: {error}; set "
            f"${VARIABLE}, which keeps secrets in the ledger, or let the file be written"
        ) from None


def _asked(work: Work, wanted: Wanted) -> Wanted:
    attempt = replace(wanted, key=f"reconcile-{uuid.uuid4()}")
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
        subscriptions.asked(tx, work.source.name, attempt)
    failpoints.reach("subscription.asked")
    return attempt


def _attempt(work: Work, attempt: Wanted, before: Collection[str]) -> Made | None:
    """What came of one key; None if nothing did, or nothing that can be used."""
    found: Subscription | None = None
    for request in range(REQUESTS):
        try:
            return Made(work.connector.create(work.client, attempt))
        except (Retriable, BadAnswer):
            # It may have been made. Listed without a key, there is nothing more to learn about it; listed with it, or
            # not yet listed, the same request tells.
            found = _listed(work, attempt, before)
            if found is not None and not found.mark:
                return Made(found)
        except (Rejected, CredentialsRefused) as error:
            taken = isinstance(error, Rejected) and error.status in (_AT_WORK, 422)
            there = _listed(work, attempt, ()) if taken else None
            if there is None:
                if not request:  # else an earlier one may have made it: its key is how it is found
                    _forget(work, attempt.key)
                raise
            if there.mark == attempt.key:
                raise _unknown(work, attempt) from None  # made, and its secret is still to be asked for
            # Ours only if an earlier request of this attempt can have made it.
            return Made(there, existed=not request or there.id in before)
    if found is not None:
        raise _unknown(work, attempt)  # made, and its key is recorded: the next run asks for the answer again
    return None


def _unknown(work: Work, wanted: Wanted) -> Retriable:
    return Retriable(
        f"{work.source.name}: the provider does not say what came of making the subscription to {wanted.url}; the next "
        "run looks again"
    )


def _listed(work: Work, attempt: Wanted, before: Collection[str]) -> Subscription | None:
    """The one that an attempt made, told by its key, or by being what was asked for and new."""
    here = [one for one in work.connector.subscriptions(work.client) if is_at(one, attempt.url)]
    marked = [one for one in here if one.mark == attempt.key]
    alike = [one for one in here if one.enabled and all(sends(one, topic) for topic in attempt.topics)]
    return next(iter(marked), None) or next((one for one in alike if not one.mark and one.id not in before), None)


def _record(work: Work, key: str, made: Subscription, told: Told, *, lost: bool = False) -> None:
    """The secret is kept, at the latest in this commit, before the subscription counts (S4)."""
    failpoints.reach("subscription.made")
    secret = Secrecy.LOST if lost else Secrecy.KEPT if made.secret else Secrecy.NONE
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
        if secret is Secrecy.KEPT:
            work.vault.keep(tx, work.source.name, made.id, made.secret)
        subscriptions.made(tx, work.source.name, key, made, secret)
        told(tx, made)
    failpoints.reach("subscription.recorded")


def _forget(work: Work, key: str) -> None:
    with work.context.ledger.write() as tx:
        leases.check(tx, work.lease)
        subscriptions.forget(tx, work.source.name, key)


def _nothing(_tx: Tx, _made: Subscription) -> None:
    """Nothing to tell."""
