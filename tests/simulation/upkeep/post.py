"""A mail server that keeps what it takes, and on bad days refuses, puts off, or hangs up before or after it has."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from functools import cached_property

from simulation.processes import Killed, Process
from simulation.stage import Stage

from reconcile.alerts.smtp import Unreachable, Verdict
from reconcile.clock import Stop

OPS, BOSS, CHIEF, PARTY = "ops@acme.example", "boss@acme.example", "chief@acme.example", "support@gate.example"
EVERYONE = ("night@acme.example", OPS, BOSS, CHIEF, PARTY)
_TAKEN = Verdict(accepted=True, permanent=False, said="250 2.0.0 OK")
_LATER = Verdict(accepted=False, permanent=False, said="451 4.7.1 greylisted")
_NEVER = Verdict(accepted=False, permanent=True, said="550 5.1.1 no such user")


@dataclass
class Sent:
    """One mail that was taken for some addresses; `unheard` if whoever sent it cannot know that."""

    at: datetime
    by: Process
    to: tuple[str, ...]
    content: bytes
    unheard: bool = False

    @cached_property
    def message(self) -> Message:
        """The parsed message."""
        return message_from_bytes(self.content)

    @cached_property
    def id(self) -> str:
        """Its Message-ID."""
        return str(self.message["Message-ID"])

    @cached_property
    def plain(self) -> str:
        """The text of its plain part."""
        (body,) = (part for part in self.message.walk() if part.get_content_type() == "text/plain")
        return body.get_payload(decode=True).decode().replace("\r\n", "\n")


@dataclass
class Post:
    """`mood` is how the server is just now; `hang_up` at which mail of a conversation it does."""

    world: Stage
    sent: list[Sent] = field(default_factory=list)
    refused: dict[str, Verdict] = field(default_factory=dict)
    never: set[tuple[str, str]] = field(default_factory=set)
    down: bool = False
    data: Verdict = _TAKEN
    hang_up: tuple[int, bool] = (0, False)

    def calm_down(self) -> None:
        """A good day."""
        self.refused, self.down, self.data, self.hang_up = {}, False, _TAKEN, (0, False)

    def trouble(self, dice: random.Random, chance: float) -> None:
        """Draw the server's next day."""
        self.calm_down()
        if dice.random() >= chance:
            return
        name = dice.choice(("down", "one later", "one never", "all later", "hangs up", "answer lost", "answer lost"))
        self.world.say(f"post: {name}")
        if name == "down":
            self.down = True
        elif name in ("one later", "one never"):
            self.refused = {dice.choice(EVERYONE): _LATER if name == "one later" else _NEVER}
        elif name == "all later":
            self.data = _LATER
        else:
            self.hang_up = (dice.choice((1, 1, 2)), name == "answer lost")

    def mailers(self, process: Process):
        """The mailer of one process."""

        @contextmanager
        def connect(url: str, sender: str, stop: Stop) -> Iterator[_Session]:
            del url, sender, stop
            if self.down:
                raise Unreachable("127.0.0.1:25: connection refused")
            yield _Session(self, process)

        return connect


class _Session:
    """One conversation."""

    def __init__(self, post: Post, process: Process) -> None:
        self._post = post
        self._process = process
        self._mails = 0

    def send(self, sender: str, addresses: Sequence[str], message: bytes) -> dict[str, Verdict]:
        """One mail; see `Post`."""
        del sender
        if self._process.dead:
            raise Killed(self._process)
        post, world = self._post, self._post.world
        self._mails += 1
        verdicts = {address: post.refused.get(address, post.data) for address in addresses}
        taken = tuple(address for address, verdict in verdicts.items() if verdict.accepted)
        at, after_data = post.hang_up
        hangs_up = self._mails == at
        sent = Sent(world.base.now(), self._process, taken, message, unheard=hangs_up)
        if taken and (after_data or not hangs_up):
            post.sent.append(sent)
            world.say(f"post: {sent.message['Subject']} to {taken}{' UNHEARD' if hangs_up else ''}")
        if hangs_up:
            raise Unreachable("127.0.0.1:25 hung up before it had answered")
        post.never |= {(sent.id, one) for one, verdict in verdicts.items() if verdict.permanent}
        return verdicts
