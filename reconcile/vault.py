"""Where the signing secrets are kept that a provider shows once: encrypted in the ledger, or in a file beside it.

With `$RECONCILE_KEY` they lie in the ledger, where every receiver that has the key can read them. Without it they lie
in one file for each source (mode 0600), beside an SQLite ledger, else beside the configuration: then the receiver has
to run on the same machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from reconcile.config import Config
from reconcile.config.key import VARIABLE
from reconcile.errors import LedgerError
from reconcile.ledger import Ledger, secrets
from reconcile.ledger.ledger import Tx


class Vault:
    """The kept secrets of one ledger. `keys` encrypt, the first of them; `file` says where a source's file lies."""

    def __init__(self, ledger: Ledger, keys: Sequence[SecretStr], file: Callable[[str], Path]) -> None:
        self._ledger = ledger
        self._cipher = MultiFernet([Fernet(key.get_secret_value()) for key in keys]) if keys else None
        self._file = file

    @classmethod
    def of(cls, config: Config, ledger: Ledger) -> Vault:
        """The vault that a configuration means."""
        return cls(ledger, config.keys, beside(config))

    def place(self, source: str) -> str:
        """Where a new secret goes, for a sentence."""
        return f"encrypted in the ledger (${VARIABLE})" if self._cipher else f"in {self._file(source)}"

    def keep(self, tx: Tx, source: str, subscription: str, secret: str) -> None:
        """Keep it, at the latest when `tx` commits; raises `LedgerError` if it cannot be."""
        if self._cipher:
            secrets.keep(tx, source, subscription, self._cipher.encrypt(secret.encode()))
        else:
            before = _read(self._file(source))
            before.pop(subscription, None)
            _write(self._file(source), {subscription: secret, **before})  # newest first

    def ready(self, source: str) -> None:
        """Raise `LedgerError` if a secret could not be kept now: to be asked before a provider shows one once."""
        if not self._cipher:
            _try(self._file(source))

    def forget(self, tx: Tx, source: str, subscription: str) -> None:
        """Keep it no longer."""
        secrets.forget(tx, source, subscription)
        kept = _read(self._file(source))
        if kept.pop(subscription, None) is not None:
            _write(self._file(source), kept)

    def accepted(self, source: str) -> dict[str, str]:
        """Every secret of a source that can be read, by its subscription, newest first.

        One that no key opens is left out. Raises `LedgerError`.
        """
        opened = {id_: self._open(sealed) for id_, sealed in self._in_ledger(source).items()}
        return {id_: secret for id_, secret in opened.items() if secret} | _read(self._file(source))

    def secrets(self, source: str) -> tuple[str, ...]:
        """The same without their subscriptions: what a receiver accepts beside the configured ones."""
        return tuple(self.accepted(source).values())

    def _in_ledger(self, source: str) -> Mapping[str, bytes]:
        with self._ledger.read() as tx:
            return secrets.accepted(tx, source)

    def _open(self, sealed: bytes) -> str:
        try:
            return self._cipher.decrypt(sealed).decode() if self._cipher else ""
        except InvalidToken:
            return ""


def beside(config: Config) -> Callable[[str], Path]:
    """`reconcile.db.SOURCE.secrets` beside an SQLite ledger, else the same beside the configuration."""
    kind, _, rest = config.ledger.get_secret_value().partition(":///")
    base = Path(rest.partition("?")[0]) if kind == "sqlite" else config.path
    return lambda source: base.with_name(f"{base.name}.{source}.secrets")


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except OSError as error:
        why = f"the signing secrets in {path} cannot be read ({error.strerror})"
        raise LedgerError(f"{why}; give this user read access to it") from None
    try:
        return {str(id_): str(secret) for id_, secret in json.loads(text).items()}
    except (ValueError, AttributeError):
        raise LedgerError(f"the signing secrets in {path} cannot be read: restore the file, or delete it") from None


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _opened(new: Path) -> TextIO:
    """A file for its owner alone, made anew."""
    new.unlink(missing_ok=True)
    return os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w")


def _try(path: Path) -> None:
    """Raise what `_write` would, as far as that shows without writing; what is kept there must be readable, too."""
    _read(path)
    try:
        _opened(_beside(path)).close()
        _beside(path).unlink()
    except OSError as error:
        raise LedgerError(f"a signing secret cannot be kept in {path}: {error.strerror}") from None


def _write(path: Path, kept: Mapping[str, str]) -> None:
    """In one step, and on the disk before we return: what stands in it is nowhere else."""
    new = _beside(path)
    try:
        with _opened(new) as file:
            json.dump(dict(kept), file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise LedgerError(f"a signing secret cannot be kept in {path}: {error.strerror}") from None
