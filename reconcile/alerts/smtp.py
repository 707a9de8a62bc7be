"""Handing mails to an SMTP server: encrypted and verified unless told otherwise, within a deadline, address by address.

A server that cannot be reached, or that refuses us, says nothing about a mail: `Unreachable`, and everything stays
queued. What it says of one address is that address's verdict alone (A6).
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from reconcile import spelling
from reconcile.clock import Stop
from reconcile.safe import safe

#: Seconds for connecting and for each answer; for a whole conversation; and for what is left of it after a stop.
TIMEOUT, DEADLINE, GRACE = 8.0, 90.0, 4.0
_PORTS = {"smtps": 465, "smtp": 587}


class Unreachable(Exception):
    """The server could not be talked to, or does not let us send: nothing is known to have been delivered."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail leaves: see the key `smtp` of the configuration."""

    host: str
    port: int
    tls: Literal["starttls", "tls", "off"]
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the server said of one address."""

    accepted: bool
    permanent: bool
    said: str


class Session(Protocol):
    """A conversation with a mail server."""

    def send(self, sender: str, addresses: Sequence[str], message: bytes) -> dict[str, Verdict]:
        """One mail to some addresses; a verdict for each. Raises `Unreachable`, after which the session is over."""
        ...


Connect = Callable[[str, str, Stop], AbstractContextManager[Session]]


def server_of(url: str) -> Server:
    """The server a URL of the configuration names."""
    parts = urlsplit(url)
    tls: Literal["starttls", "tls", "off"] = "tls" if parts.scheme == "smtps" else "starttls"
    if parts.query == "tls=off":
        tls = "off"
    port = parts.port or (25 if tls == "off" else _PORTS[parts.scheme])
    return Server(parts.hostname or "", port, tls, unquote(parts.username or ""), unquote(parts.password or ""))


@contextmanager
def connect(url: str, sender: str, stop: Stop) -> Iterator[Session]:
    """A conversation with the server at `url`, ended in every case; it greets as `sender`'s domain.

    Raises `Unreachable` if there is none, if it does not offer the encryption asked for, or refuses the password.
    """
    server = server_of(url)
    client = (_TlsClient if server.tls == "tls" else _Client)(server.host, sender.rpartition("@")[2])
    try:
        with _watched(client, stop):
            _prepare(client, server)
            yield _Smtp(client, server)
            with contextlib.suppress(OSError, smtplib.SMTPException):
                client.quit()
    finally:
        client.close()


class _Client(smtplib.SMTP):
    """Connects when told to, not when made: so that whoever watches can hang up while the server keeps us waiting.

    `name` is what it greets as: left to itself smtplib asks DNS for this machine's name, which may take its time.
    """

    def __init__(self, host: str, name: str) -> None:
        super().__init__(local_hostname=name, timeout=TIMEOUT)
        self._host = host  # whose certificate is asked for


class _TlsClient(smtplib.SMTP_SSL):
    """The same, encrypted from the start."""

    def __init__(self, host: str, name: str) -> None:
        super().__init__(local_hostname=name, timeout=TIMEOUT, context=_verifying())
        self._host = host


def _verifying() -> ssl.SSLContext:
    """Certificates and host names are checked; a private authority is named by the environment's `SSL_CERT_FILE`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # a distribution's Python may leave it to the system's settings
    return context


def _prepare(client: smtplib.SMTP, server: Server) -> None:
    try:
        code, said = client.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        if server.tls == "starttls":
            client.starttls(context=_verifying())
        if server.user:
            client.login(server.user, server.password)
        else:
            client.ehlo_or_helo_if_needed()
    except smtplib.SMTPNotSupportedError as error:
        raise Unreachable(_unsupported(server, error)) from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Unreachable(_why(server, error)) from error


@contextmanager
def _watched(client: smtplib.SMTP, stop: Stop) -> Iterator[None]:
    """Hang up when the conversation takes too long, though every single answer came in time, or soon after a stop."""
    over = threading.Event()

    def watch() -> None:
        left = DEADLINE
        while not over.wait(0.2):
            left = min(left - 0.2, GRACE) if stop.is_set() else left - 0.2
            if left <= 0:
                with contextlib.suppress(OSError):
                    if client.sock:
                        client.sock.shutdown(socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, name="smtp", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


class _Smtp:
    """One conversation, step by step: `smtplib.sendmail` forgets what was said of single addresses when DATA fails."""

    def __init__(self, client: smtplib.SMTP, server: Server) -> None:
        self._client = client
        self._server = server

    def send(self, sender: str, addresses: Sequence[str], message: bytes) -> dict[str, Verdict]:
        """See `Session`."""
        try:
            return self._send(sender, addresses, message)
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(_why(self._server, error)) from error

    def _send(self, sender: str, addresses: Sequence[str], message: bytes) -> dict[str, Verdict]:
        code, said = self._client.mail(sender)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, said, sender)
        verdicts = {address: self._recipient(address) for address in addresses}
        accepted = [address for address, verdict in verdicts.items() if verdict.accepted]
        if accepted:
            answer = self._data(message)
            verdicts |= dict.fromkeys(accepted, answer)
        else:
            self._client.rset()
        return verdicts

    def _recipient(self, address: str) -> Verdict:
        code, said = self._client.rcpt(address)
        if code == 421:
            raise smtplib.SMTPServerDisconnected(_text(said))
        return _verdict(self._server, code, said)

    def _data(self, message: bytes) -> Verdict:
        try:
            code, said = self._client.data(message)
        except smtplib.SMTPDataError as error:
            code, said = error.smtp_code, _bytes(error.smtp_error)
            self._client.rset()
        return _verdict(self._server, code, said)


def _verdict(server: Server, code: int, said: bytes) -> Verdict:
    return Verdict(200 <= code < 300, 500 <= code < 600, _hushed(server, f"{code} {_text(said)}"))


def _unsupported(server: Server, error: smtplib.SMTPNotSupportedError) -> str:
    if server.tls == "starttls" and "STARTTLS" in str(error):
        return (
            f"{server.host}:{server.port} does not offer STARTTLS, and nothing is sent in the clear: mend the server, "
            "or what stands between, or use smtps://"
        )
    return f"{server.host}:{server.port} does not let anyone log in: {_hushed(server, str(error))}"


def _why(server: Server, error: Exception) -> str:
    where = f"{server.host}:{server.port}"
    if isinstance(error, smtplib.SMTPResponseException):
        said = _hushed(server, f"{error.smtp_code} {_text(_bytes(error.smtp_error))}")
        refused = "refuses user and password" if isinstance(error, smtplib.SMTPAuthenticationError) else "refuses us"
        return f"{where} {refused}: {said}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{where}: its certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return f"{where} did not answer within {TIMEOUT:.0f} s"
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError):
        return f"{where} hung up before it had answered"
    return f"{where}: {_hushed(server, getattr(error, 'strerror', None) or str(error) or type(error).__name__)}"


def _hushed(server: Server, text: str) -> str:
    """What a server said, without our own password in it: some repeat the line they refuse."""
    if not server.password:
        return safe(text)
    # What `AUTH PLAIN` sends in one go; `AUTH LOGIN` sends the password alone.
    plain = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    return safe(spelling.hide(text.replace(plain, spelling.HIDDEN), (server.password,), 1))


def _text(said: bytes) -> str:
    return said.decode("utf-8", "backslashreplace")


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()
