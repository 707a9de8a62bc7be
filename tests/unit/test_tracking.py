"""`reconcile.track`: an app names a transaction of its own, from any process that finds the configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from support.telling import Odd, a_source

import reconcile
from reconcile.clock import SystemClock
from reconcile.config import ScheduleConfig
from reconcile.connector.finding import connector_class
from reconcile.errors import ConfigError
from reconcile.ledger import Ledger, transactions
from reconcile.ledger.transactions import Chosen
from reconcile.model import Reported, Subject, TransactionStatus
from reconcile.transactions import naming, telling, tracking
from reconcile.transactions.ladders import ladder_of
from reconcile.transactions.transaction import LADDER

CONFIG = """\
ledger: sqlite:///reconcile.db
sources:
  shop:
    connector: shopify
    shop: acme.myshopify.com
    access_token: shpat_dummy
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A configuration that the environment names; what the process keeps open is made anew before and after."""
    path = tmp_path / "schedules.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    monkeypatch.setenv("RECONCILE_CONFIG", str(path))
    tracking._process.forget()
    yield tmp_path
    if tracking._process._made is not None:
        tracking._process._made[1].close()
    tracking._process.forget()


def kept(folder):
    ledger = Ledger.open(f"sqlite:///{folder / 'reconcile.db'}", SystemClock())
    try:
        with ledger.read() as tx:
            return transactions.find(tx, Chosen(), 10)
    finally:
        ledger.close()


def test_a_tracked_transaction_is_followed_once(project):
    """P4: told twice it is one transaction, with the amount to the last digit, from its own time on."""
    began = datetime.now(UTC) - timedelta(hours=1)
    assert reconcile.track("shop", "1001/7", amount=Decimal("19.90"), currency="USD", at=began)
    assert not reconcile.track("shop", "1001/7", amount="19.90", currency="USD", at=began)
    (one,) = kept(project)
    assert (str(one.subject), str(one.amount), one.currency, one.at) == (
        "order_transaction/1001/7", "19.90", "USD", began,
    )  # fmt: skip
    assert one.tracked


@pytest.mark.parametrize(
    ("arguments", "more", "error", "said"),
    [
        (("till", "1"), {}, ConfigError, "no source is called 'till'; there are: shop"),
        (("shop", "x"), {}, ConfigError, "say of which type x is; there are: order, order_transaction"),
        (("shop", ""), {}, ConfigError, "not empty"),
        (("shop", "1" * 600), {}, ConfigError, "at most 512 bytes"),
        (("shop", "1"), {"type": "parcel"}, ConfigError, "no type of transaction is called parcel"),
        (("shop", "1"), {"amount": 19.9}, TypeError, "never a float"),
        (("shop", "1"), {"amount": True}, TypeError, "never a float"),
        (("shop", "1"), {"amount": "19,90"}, ValueError, "no amount: '19,90'"),
        (("shop", "1"), {"amount": "NaN"}, ValueError, "no amount: 'NaN'"),
        (("shop", "1"), {"at": datetime(2024, 1, 1)}, ValueError, "needs an offset"),  # noqa: DTZ001 - naive on purpose
    ],
)
def test_what_cannot_be_followed_is_said_at_once(project, arguments, more, error, said):
    """P4: a float is refused, and so is whatever would never be found again."""
    with pytest.raises(error, match=said):
        reconcile.track(*arguments, **more)
    assert not (project / "reconcile.db").exists() or kept(project) == []


def test_importing_the_package_loads_no_database(project):
    """An app that only handles events does not pay for the ledger's libraries."""
    code = "import reconcile, sys; reconcile.track; print(any(n.startswith('sqlalchemy') for n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout == "False\n"


def test_a_connector_of_one_type_needs_no_hint():
    """A type is asked for only where there are several and the id tells none."""
    stripe = connector_class("stripe")
    source = a_source()
    with pytest.raises(ConfigError, match="reports no status"):
        naming.subject(source, object(), "1")
    connector = stripe(stripe.Settings(api_key="sk_test_dummy"))
    assert naming.subject(source, connector, "re_1") == Subject("refund", "re_1")
    assert naming.subject(source, connector, "odd", "refund") == Subject("refund", "odd")


def test_what_a_connector_chokes_on_loses_nothing(caplog):
    """P2: a connector that raises tells nothing, whatever it raises, and the log says so without the body."""

    class Choking(Odd):
        def told(self, topic, body):
            raise ZeroDivisionError(body)

        listed = told

    source, odd = a_source(), Choking("x")
    assert telling.told(source, odd, "payment.pending", b"hush") == ()
    assert "what payment.pending tells of transactions cannot be read: ZeroDivisionError" in caplog.text
    assert "hush" not in caplog.text
    assert telling.told(source, object(), "payment.pending", b"{}") == ()
    assert telling.told(source, Odd("x"), "payment.pending", b"") == ()
    assert telling.shown(source, object()) is None


def test_amounts_that_cannot_be_compared_are_left_out():
    """P4: NaN equals nothing, not even itself: it is as good as not said."""
    one = Reported(Subject("payment", "p"), TransactionStatus.PENDING, "x" * 200, amount=Decimal("NaN"))
    assert telling.fit(one).amount is None
    assert len(telling.fit(one).raw) == 64
    assert telling.fit(Reported(one.subject, one.status, "x", amount=Decimal(5))).amount == Decimal(5)


def test_which_ladder_counts():
    """A source's own, else that of the first schedule of the job that is for it, else 5m → 30m → 1h → 3h → 24h."""

    class Config:
        schedules = (
            ScheduleConfig(job="status-checks", every="1m", sources=("other",), ladder=("1m",)),
            ScheduleConfig(job="status-checks", every="1m"),
            ScheduleConfig(job="status-checks", every="5m", ladder=("2m", "4m")),
        )

    two = (timedelta(minutes=2), timedelta(minutes=4))
    assert ladder_of(Config, a_source()) == two
    assert ladder_of(Config, a_source(ladder=("9m",))) == (timedelta(minutes=9),)
    Config.schedules = ()
    assert ladder_of(Config, a_source()) == LADDER
