"""`$RECONCILE_KEY`, and the place of the file that stands in for it."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from reconcile.config.key import VARIABLE, keys
from reconcile.config.model import Config
from reconcile.errors import ConfigError
from reconcile.vault import beside

RAW = bytes(range(224, 256))  # whose base64 has + and /
GOOD = b64encode(RAW).decode()


def values(text):
    return [key.get_secret_value() for key in keys({VARIABLE: text})]


@pytest.mark.parametrize("text", ["", "   "])
def test_none_is_none(text):
    """Without a key secrets lie in a file; an empty variable is one that is not set."""
    assert keys({}) == ()
    assert keys({VARIABLE: text}) == ()


@pytest.mark.parametrize("text", [GOOD, f" {GOOD}\n", urlsafe_b64encode(RAW).decode()])
def test_32_bytes_in_either_base64_will_do(text):
    """What `openssl rand -base64 32` prints, and what Fernet prints."""
    (key,) = values(text)
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"


def test_older_keys_follow_the_newest():
    """While a key is replaced both open, and the first one seals."""
    other = Fernet.generate_key().decode()
    assert values(f"{other}, {GOOD}") == [other, urlsafe_b64encode(RAW).decode()]


@pytest.mark.parametrize(
    "text", ["hunter2-dummy", GOOD[:-4], GOOD + "AAAA", f"{GOOD},", f",{GOOD}", f"{GOOD};{GOOD}", "é" * 44, "=" * 44]
)
def test_a_bad_key_is_a_clear_error_that_does_not_show_it(text):
    """X1: the message says what to do, and nothing of what was given."""
    with pytest.raises(ConfigError) as caught:
        keys({VARIABLE: text})
    assert "RECONCILE_KEY: must be 32 bytes in base64, as `openssl rand -base64 32`" in str(caught.value)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("ledger", "file"),
    [
        ("sqlite:///reconcile.db", "/etc/acme/reconcile.db.pay.secrets"),
        ("sqlite:////var/lib/acme/led.db?timeout=3", "/var/lib/acme/led.db.pay.secrets"),
        ("postgresql://u:p@db.example/x", "/etc/acme/schedules.yaml.pay.secrets"),
    ],
)
def test_the_file_lies_beside_the_ledger(ledger, file):
    """Beside an SQLite file; beside the configuration where the ledger is a server's."""
    config = Config(path=Path("/etc/acme/schedules.yaml"), ledger=SecretStr(ledger), sources={})
    assert beside(config)("pay") == Path(file)
