"""Subscriptions recorded as ours, and their secrets, on every engine."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import SecretStr

from reconcile.connector import Subscription, Wanted
from reconcile.errors import LedgerError
from reconcile.ledger import secrets, subscriptions
from reconcile.ledger.subscriptions import Secrecy
from reconcile.vault import Vault

URL = "https://hooks.acme.example/pay"
ASKED = Wanted(URL, ("a", "b"), "2026-10", format="json", key="key-1")
MADE = Subscription("we_1", URL, ("a", "b"), enabled=True, api_version="2026-10", format="json", secret="whsec_dummy_x")


def of(ledger, source="pay"):
    with ledger.read() as tx:
        return subscriptions.of(tx, source)


def record(ledger, asked=ASKED, made=MADE, secret=Secrecy.KEPT):
    with ledger.write() as tx:
        subscriptions.asked(tx, "pay", asked)
    with ledger.write() as tx:
        subscriptions.made(tx, "pay", asked.key, made, secret)


def test_an_attempt_is_there_before_its_answer(ledger):
    """S2: what was asked for can be asked for again, under the same key; another source sees nothing of it."""
    with ledger.write() as tx:
        subscriptions.asked(tx, "pay", ASKED)
    (found,) = of(ledger)
    assert (found.id, found.wanted, found.made_at) == ("", ASKED, None)
    assert of(ledger, "other") == []


def test_what_was_made_changed_and_forgotten(ledger):
    """One of ours keeps its key, is known by its id, and looks as the provider said last."""
    record(ledger)
    (found,) = of(ledger)
    assert (found.id, found.secret, found.made_at is None) == ("we_1", Secrecy.KEPT, False)
    moved = Subscription("we_1", URL + "2", ("a",), enabled=True)
    with ledger.write() as tx:
        subscriptions.changed(tx, "pay", moved)
        subscriptions.changed(tx, "pay", Subscription("we_9", URL, (), enabled=True))
    (found,) = of(ledger)
    assert (found.key, found.url, found.topics) == ("key-1", URL + "2", ("a",))
    with ledger.write() as tx:
        subscriptions.forget(tx, "pay", "key-1")
    assert of(ledger) == []


def test_the_oldest_come_first(ledger):
    """Of two of ours the older one is the one to keep."""
    record(ledger)
    record(ledger, Wanted(URL, ("a",), key="a-later-key"), Subscription("we_2", URL, ("a",), enabled=True))
    assert [one.id for one in of(ledger)] == ["we_1", "we_2"]


def test_what_a_provider_stops_listing_is_dated_once(ledger):
    """Missed since the first time it was; back as soon as it is listed."""
    record(ledger)
    assert of(ledger)[0].missed_at is None
    with ledger.write() as tx:
        subscriptions.missed(tx, "pay", ["key-1"])
        subscriptions.missed(tx, "other", ["key-1"])
    since = of(ledger)[0].missed_at
    with ledger.write() as tx:
        subscriptions.missed(tx, "pay", ["key-1"])
    assert of(ledger)[0].missed_at == since is not None
    with ledger.write() as tx:
        subscriptions.listed(tx, "pay", ["key-1"])
    assert of(ledger)[0].missed_at is None


def test_a_providers_text_is_no_poison(ledger):
    """What PostgreSQL's TEXT refuses is made visible: a hostile provider cannot keep us from recording."""
    record(ledger, made=Subscription("we_\x00", URL + "\ud800", ("a\x00",), enabled=True, api_version="\x00"))
    (found,) = of(ledger)
    assert (found.id, found.url) == ("we_\\x00", URL + "\\ud800")


@pytest.fixture(params=["ledger", "file"])
def vault(request, ledger, tmp_path):
    keys = [SecretStr(b64encode(b"k" * 32).decode())] if request.param == "ledger" else []
    return Vault(ledger, keys, lambda source: tmp_path / f"{source}.secrets")


def keep(ledger, vault, subscription, secret, source="pay"):
    with ledger.write() as tx:
        vault.keep(tx, source, subscription, secret)


def test_secrets_are_kept_and_forgotten(ledger, vault):
    """S4: each source has its own, by subscription; one kept again is the new one."""
    keep(ledger, vault, "we_1", "whsec_dummy_1")
    keep(ledger, vault, "we_2", "whsec_dummy_2")
    keep(ledger, vault, "we_1", "whsec_dummy_3")
    keep(ledger, vault, "we_1", "whsec_dummy_4", "other")
    assert vault.accepted("pay") == {"we_1": "whsec_dummy_3", "we_2": "whsec_dummy_2"}
    assert set(vault.secrets("pay")) == {"whsec_dummy_3", "whsec_dummy_2"}
    with ledger.write() as tx:
        vault.forget(tx, "pay", "we_1")
        vault.forget(tx, "pay", "we_7")
    assert vault.accepted("pay") == {"we_2": "whsec_dummy_2"}
    assert vault.accepted("other") == {"we_1": "whsec_dummy_4"}


def test_the_ledger_never_holds_one_in_the_clear(ledger, tmp_path):
    """X1: only what the key opens lies in the row, and it is another text each time."""
    vault = Vault(ledger, [SecretStr(b64encode(b"k" * 32).decode())], lambda source: tmp_path / source)
    keep(ledger, vault, "we_1", "whsec_dummy_1")
    keep(ledger, vault, "we_2", "whsec_dummy_1")
    with ledger.read() as tx:
        rows = secrets.accepted(tx, "pay")
    assert len(set(rows.values())) == 2
    assert not [row for row in rows.values() if b"whsec" in row]
    assert list(tmp_path.glob("pay*")) == []


def test_a_commit_that_does_not_come_keeps_nothing_in_the_ledger(ledger, tmp_path):
    """The secret is committed with the subscription's row, or neither is."""
    vault = Vault(ledger, [SecretStr(b64encode(b"k" * 32).decode())], lambda source: tmp_path / source)

    def fails():
        with ledger.write() as tx:
            vault.keep(tx, "pay", "we_1", "whsec_dummy_1")
            raise RuntimeError("before the commit")

    with pytest.raises(RuntimeError):
        fails()
    assert vault.accepted("pay") == {}


def test_another_key_opens_nothing_and_says_nothing(ledger, tmp_path):
    """A key that is not the one leaves the secret out; it raises nothing, for the configured ones still count."""
    old, new = (SecretStr(b64encode(bytes([letter]) * 32).decode()) for letter in b"ab")
    keep(ledger, Vault(ledger, [old], Path), "we_1", "whsec_dummy_1")
    assert Vault(ledger, [new], lambda source: tmp_path / source).accepted("pay") == {}
    assert Vault(ledger, [], lambda source: tmp_path / source).accepted("pay") == {}
    rotated = Vault(ledger, [new, old], lambda source: tmp_path / source)
    assert rotated.accepted("pay") == {"we_1": "whsec_dummy_1"}


def test_a_file_that_cannot_be_kept_or_read_is_a_ledger_error(ledger, tmp_path):
    """Where nothing can be written the subscription must not count; a damaged file is not taken for an empty one."""
    nowhere = Vault(ledger, [], lambda source: tmp_path / "missing" / source)
    with pytest.raises(LedgerError, match="cannot be kept in"):
        keep(ledger, nowhere, "we_1", "whsec_dummy_1")
    (tmp_path / "pay").write_text("{")
    with pytest.raises(LedgerError, match="cannot be read"):
        Vault(ledger, [], lambda source: tmp_path / source).accepted("pay")
