"""An SMTP server on loopback that keeps what it is given, and refuses as real ones do when it is told to.

It speaks RFC 5321 with STARTTLS (RFC 3207) or TLS from the start, and AUTH (RFC 4954). Like a real server it takes no
mail before a login it demands, offers AUTH only under TLS unless it has none, and forgets what was said before
STARTTLS.
"""

from __future__ import annotations

import base64
import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

Answer = tuple[int, str]
_OK: Answer = (250, "2.0.0 OK")


@dataclass(frozen=True, slots=True)
class Received:
    """One mail as it came: its envelope and its bytes."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        """The parsed message."""
        return message_from_bytes(self.content, EmailMessage, policy=SMTP)

    def part(self, kind: Literal["plain", "html"]) -> str:
        """The text of one of its two bodies."""
        found = self.message.get_body((kind,))
        return str(found.get_content()) if found else ""


@dataclass
class Post:
    """What the server keeps, and how it behaves; change it while it runs.

    `user` and `password` must be given before it takes mail, in one of the `logins`. `greeting` and `refused` (by
    address) and `data` are answers; `hangs_up` says where it drops the connection; `silent` never answers at all.
    """

    received: list[Received] = field(default_factory=list)
    user: str = ""
    password: str = ""
    logins: str = "PLAIN LOGIN"
    greeting: Answer = (220, "sandbox ESMTP")
    refused: dict[str, Answer] = field(default_factory=dict)
    data: Answer = _OK
    hangs_up: Literal["", "greeting", "rcpt", "data"] = ""
    silent: bool = False
    starttls: bool = True
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def to(self, address: str) -> list[Received]:
        """The mails that came for one address, in order."""
        return [one for one in self.received if address in one.recipients]


class _Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    post: Post
    context: ssl.SSLContext | None = None
    from_the_start = False

    def handle(self) -> None:
        self.encrypted = self.authenticated = False
        self.sender, self.recipients = "", list[str]()
        if self.from_the_start:
            self._encrypt()
        if self.post.silent:
            self.post.closing.wait()
            return
        if self.post.hangs_up == "greeting":
            return
        self._say(self.post.greeting)
        with contextlib.suppress(OSError):
            while (line := self.rfile.readline(2000)) and self._command(line.decode("utf-8", "replace").strip()):
                pass

    def finish(self) -> None:
        """Let go of the connection, also of the one that came of encrypting it."""
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def _say(self, answer: Answer, *more: str) -> None:
        code, text = answer
        lines = [text, *more]
        ends = ["-"] * len(more) + [" "]
        for end, line in zip(ends, lines, strict=True):
            self.wfile.write(f"{code}{end}{line}\r\n".encode())
        self.wfile.flush()

    def _command(self, line: str) -> bool:
        """Answer one command; False ends the conversation."""
        verb, _, rest = line.partition(" ")
        answer = getattr(self, f"_on_{verb.lower()}", None)
        if answer is None:
            self._say((502, "5.5.1 no such command"))
            return True
        return bool(answer(rest))

    def _on_ehlo(self, _name: str) -> bool:
        offers = ["SIZE 10000000", "8BITMIME"]
        if self.context and self.post.starttls and not self.encrypted:
            offers.append("STARTTLS")
        if self.post.user and (self.encrypted or not self.context):
            offers.append(f"AUTH {self.post.logins}")
        self._say((250, "sandbox"), *offers)
        return True

    def _on_helo(self, _name: str) -> bool:
        self._say((250, "sandbox"))
        return True

    def _on_starttls(self, _rest: str) -> bool:
        if not self.context or not self.post.starttls or self.encrypted:
            self._say((502, "5.5.1 not offered"))
            return True
        self._say((220, "2.0.0 ready"))
        self._encrypt()
        self.authenticated, self.sender, self.recipients = False, "", []
        return True

    def _encrypt(self) -> None:
        assert self.context  # noqa: S101 - asked for only where there is one
        self.request = self.context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb")
        self.encrypted = True

    def _on_auth(self, rest: str) -> bool:
        method, _, given = rest.partition(" ")
        if method.upper() == "PLAIN":
            said = given or self._asked("")
            user, password = base64.b64decode(said).decode().split("\0")[1:]
        else:
            user = base64.b64decode(given or self._asked("VXNlcm5hbWU6")).decode()
            password = base64.b64decode(said := self._asked("UGFzc3dvcmQ6")).decode()
        self.authenticated = (user, password) == (self.post.user, self.post.password)
        # Some servers repeat what they refuse, and some the line it came in.
        refusal = (535, f"5.7.8 not {user} with {password}: {said}")
        self._say((235, "2.7.0 welcome") if self.authenticated else refusal)
        return True

    def _asked(self, challenge: str) -> str:
        self._say((334, challenge))
        return self.rfile.readline(2000).decode().strip()

    def _on_mail(self, rest: str) -> bool:
        if self.post.user and not self.authenticated:
            self._say((530, "5.7.0 log in first"))
            return True
        self.sender, self.recipients = _address(rest), []
        self._say(_OK)
        return True

    def _on_rcpt(self, rest: str) -> bool:
        if self.post.hangs_up == "rcpt":
            return False
        answer = self.post.refused.get(_address(rest), _OK)
        if not self.sender:
            answer = (503, "5.5.1 MAIL first")
        if answer[0] == 250:
            self.recipients.append(_address(rest))
        self._say(answer)
        return answer[0] != 421

    def _on_data(self, _rest: str) -> bool:
        if not self.recipients:
            self._say((503, "5.5.1 RCPT first"))
            return True
        self._say((354, "go on"))
        lines = []
        while (line := self.rfile.readline(100_000)) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        if self.post.data[0] == 250:
            mail = Received(self.sender, tuple(self.recipients), b"".join(lines), self.encrypted)
            self.post.received.append(mail)
        if self.post.hangs_up == "data":
            return False
        self._say(self.post.data)
        self.sender, self.recipients = "", []
        return True

    def _on_rset(self, _rest: str) -> bool:
        self.sender, self.recipients = "", []
        self._say(_OK)
        return True

    def _on_noop(self, _rest: str) -> bool:
        self._say(_OK)
        return True

    def _on_quit(self, _rest: str) -> bool:
        self._say((221, "2.0.0 bye"))
        return False


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or refuses our certificate, is no news."""


@contextlib.contextmanager
def serve(
    post: Post | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    from_the_start: bool = False,
    port: int = 0,
) -> Iterator[Post]:
    """Take mail on 127.0.0.1 until the block ends. With `tls` it offers STARTTLS, or is encrypted `from_the_start`."""
    post = post or Post()
    post.closing.clear()
    space = {"post": post, "context": tls, "from_the_start": from_the_start}
    server = _Server(("127.0.0.1", port), type("Conversation", (_Conversation,), space))
    post.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="sandbox mail", daemon=True)
    thread.start()
    try:
        yield post
    finally:
        post.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
