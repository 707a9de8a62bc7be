"""One Stripe account: its objects, its events, and the one place where something happens in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from reconcile.clock import Clock
from reconcile.sandbox.fake import Fake, Json, Lag
from reconcile.sandbox.stripe.endpoints import Endpoints
from reconcile.sandbox.stripe.records import Event, Row, pretty
from reconcile.sandbox.truth import Happened

KINDS = (
    "payment_intent", "setup_intent", "charge", "refund", "dispute", "payout", "invoice", "subscription", "customer",
    "checkout.session",
)  # fmt: skip


class Platform(Fake):
    """What all accounts under one key share: time, truth, endpoints, the default API version."""

    def __init__(self, clock: Clock, seed: int, lag: Lag, account: str, api_version: str, *, livemode: bool) -> None:
        super().__init__(clock, seed, lag)
        self.main_account = account
        self.api_version = api_version
        self.livemode = livemode
        self.generates_events = True  # False: changes happen and no event tells of them, as Stripe warns can be
        self.endpoints = Endpoints(clock, self.dice, account, livemode=livemode)
        self._serial = 0

    def next_serial(self) -> int:
        """The order in which things were made."""
        self._serial += 1
        return self._serial


class Account:
    """Objects and events of one account. Actions live in the classes that build on this one."""

    def __init__(self, platform: Platform, account_id: str) -> None:
        self.platform = platform
        self.account_id = account_id
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
        self.events: dict[str, Event] = {}

    @property
    def connected(self) -> str:
        """Its id if it is a connected account, "" for the platform's own."""
        return "" if self.account_id == self.platform.main_account else self.account_id

    def now(self) -> int:
        """Unix seconds."""
        return int(self.platform.clock.now().timestamp())

    def new_id(self, prefix: str) -> str:
        """An id that says nothing about order, as Stripe's do not."""
        return f"{prefix}_{self.platform.dice.token(24)}"

    def body(self, kind: str, object_id: str) -> Json:
        """The object as it is now; KeyError if there is none."""
        return self.rows[kind][object_id].body

    def make(self, kind: str, body: Json) -> str:
        """Keep a new object; returns its id."""
        platform = self.platform
        row = Row(body["id"], body["created"], platform.next_serial(), platform.visible_at(), body)
        self.rows[kind][row.id] = row
        return row.id

    def change(self, kind: str, object_id: str, changes: Mapping[str, object]) -> tuple[Json, Json]:
        """Replace keys of an object; returns it and what those keys held before."""
        row = self.rows[kind][object_id]
        previous = {name: row.body.get(name) for name, value in changes.items() if row.body.get(name) != value}
        row.body = {**row.body, **changes}
        return row.body, previous

    def emit(self, event_type: str, body: Json, previous: Json | None = None, *, automatic: bool = False) -> str:
        """Write an event into the log and the truth, and queue what its endpoints are owed; returns its id.

        `automatic` events have no API request behind them. While `Platform.generates_events` is off only the truth
        hears of it, with an empty event id.
        """
        platform = self.platform
        event = Event(
            id="evt_" + platform.dice.token(24),
            type=event_type,
            created=self.now(),
            serial=platform.next_serial(),
            visible_at=platform.visible_at(),
            object=msgspec.json.encode(body),
            subject_id=str(body.get("id", "")),
            previous=previous,
            request=self._request(automatic=automatic),
            api_version=platform.api_version,
            livemode=platform.livemode,
            account=self.connected,
        )
        if not platform.generates_events:
            event.id = ""
        else:
            self.events[event.id] = event
            platform.outbox.extend(platform.endpoints.owed_for(event))
        self._tell(event, platform.clock.now())
        return event.id

    def repeat_event(self, event_id: str) -> str:
        """Tell of one change a second time, under another event id, as Stripe says may happen; returns that id."""
        with self.platform.lock:
            told = self.events[event_id]
            return self.emit(told.type, msgspec.json.decode(told.object), told.previous)

    def _request(self, *, automatic: bool) -> Json:
        if automatic:
            return {"id": None, "idempotency_key": None}
        return {"id": f"req_{self.platform.dice.token(14)}", "idempotency_key": self.platform.dice.uuid()}

    def _tell(self, event: Event, now: datetime) -> None:
        body = pretty(event.render())
        happened = Happened(event.type, event.subject_id, now, body, event.id, account=event.account)
        self.platform.truth.append(happened)
