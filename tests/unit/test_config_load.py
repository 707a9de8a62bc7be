"""A `schedules.yaml` that loads: what it says, what it need not say, and what it inherits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.config import ENV, VALID, Shop, below, fakes, in_source, load_text, problems_of

from reconcile.config import HttpHandler, PythonHandler, RecordedCallable, RecordedQuery, SourceConfig, load
from reconcile.connector.finding import connector_class
from reconcile.errors import ConfigError

WHOLE = """\
ledger: ${RECONCILE_LEDGER:-sqlite:///reconcile.db}
timezone: Europe/Berlin
defaults:
  settle: 0s
  valve: 50
  retry: []
  http: {deadline: 10s, rate: 10/s}
sources:
  acme-shop:
    connector: shop
    shop: acme.example
    access_token: ${TOKEN}
    base_url: http://127.0.0.1:9000/
    webhook:
      url: https://hooks.acme.example/webhooks/acme-shop
      secret: [whsec_dummy_new, whsec_dummy_old]
      topics: [orders/create, orders/updated]
    streams: [orders]
    handler: acme.webhooks:handlers
    recorded: acme.webhooks:recorded
    late: skip
    valve: ${VALVE}
    http: {attempts: 2}
  payments:
    connector: pay
    api_key: sk_test_dummy
    webhook: {secret: whsec_dummy, topics: [charge.refunded]}
    handler: {url: "http://app:8000/hooks/pay", allow_http: true, concurrency: 8, rate: 120/m}
    recorded: {database: "${DB}", query: "select k from t where k in :keys"}
    timeout: 5s
schedules:
  - {job: backfill, cron: "*/15 * * * *", sources: [acme-shop, payments]}
  - {job: status-checks, every: 1m, ladder: [5m, 24h]}
  - {job: purge, every: 1d, keep_payloads: 90d}
alerts:
  smtp: smtp://127.0.0.1:1025?tls=off
  from: reconcile@acme.example
  to: [ops@acme.example]
  third_parties: {payments: [support@gateway.example]}
"""
WHOLE_ENV = {"TOKEN": "shpat_dummy", "VALVE": "7", "DB": "sqlite:///app.db"}


@pytest.fixture
def whole(tmp_path):
    """Everything a file can say, loaded."""
    return load_text(WHOLE, WHOLE_ENV, tmp_path)


def test_every_key_arrives_in_its_own_type(whole, tmp_path):
    """Text of the file becomes durations, bytes, rates, secrets and names."""
    shop, pay = whole.sources["acme-shop"], whole.sources["payments"]
    assert whole.path == tmp_path / "schedules.yaml"
    assert whole.ledger.get_secret_value() == f"sqlite:///{tmp_path}/reconcile.db"
    assert (shop.name, shop.connector, shop.base_url, shop.late) == (
        "acme-shop",
        "shop",
        "http://127.0.0.1:9000",
        "skip",
    )
    assert shop.settings.access_token.get_secret_value() == "shpat_dummy"
    assert [secret.get_secret_value() for secret in shop.webhook.secrets] == ["whsec_dummy_new", "whsec_dummy_old"]
    assert shop.webhook.topics == ("orders/create", "orders/updated")
    assert (shop.handler, shop.streams) == (PythonHandler(ref="acme.webhooks:handlers"), ("orders",))
    assert shop.recorded == RecordedCallable(ref="acme.webhooks:recorded")
    assert pay.handler == HttpHandler(url="http://app:8000/hooks/pay", allow_http=True, concurrency=8, rate=2.0)
    assert isinstance(pay.recorded, RecordedQuery)
    assert pay.recorded.database.get_secret_value() == "sqlite:///app.db"


def test_defaults_reach_every_source_that_does_not_say_otherwise(whole):
    """A source's own value wins, `http` is merged key by key, and the rest is as documented."""
    shop, pay = whole.sources["acme-shop"], whole.sources["payments"]
    assert (shop.valve, pay.valve) == (7, 50)
    assert shop.settle == pay.settle == timedelta(0)
    assert shop.retry == pay.retry == ()
    assert (shop.timeout, pay.timeout) == (timedelta(seconds=30), timedelta(seconds=5))
    assert (shop.http.deadline, shop.http.attempts, shop.http.rate) == (timedelta(seconds=10), 2, 10.0)
    assert (pay.http.deadline, pay.http.attempts, pay.http.max_body) == (timedelta(seconds=10), 5, 20_000_000)


def test_schedules_and_alerts_arrive(whole):
    """Jobs keep their own options, and third parties their source."""
    backfill, checks, purge = whole.schedules
    assert (backfill.cron, backfill.every, backfill.sources) == ("*/15 * * * *", None, ("acme-shop", "payments"))
    assert checks.ladder == (timedelta(minutes=5), timedelta(days=1))
    assert (purge.keep_payloads, purge.sources) == (timedelta(days=90), None)
    assert (whole.alerts.from_, whole.alerts.to) == ("reconcile@acme.example", ("ops@acme.example",))
    assert whole.alerts.third_parties == {"payments": ("support@gateway.example",)}


def test_only_sources_are_required(tmp_path):
    """Everything else has its documented default."""
    config = load_text(VALID, folder=tmp_path)
    source = config.sources["acme"]
    assert config.ledger.get_secret_value() == f"sqlite:///{tmp_path}/reconcile.db"
    assert (config.timezone, config.schedules, config.alerts, config.warnings) == ("UTC", (), None, ())
    assert (source.settle, source.overlap, source.valve) == (timedelta(minutes=2), timedelta(hours=1), 500)
    assert [step.total_seconds() for step in source.retry] == [10, 60, 300, 1800, 3600, 10800, 86400]
    assert (source.http.deadline, source.http.attempts, source.http.max_body) == (timedelta(seconds=30), 5, 20_000_000)
    assert (source.webhook, source.handler, source.recorded, source.streams, source.late) == (
        None,
        None,
        None,
        None,
        "deliver",
    )


def test_a_relative_path_and_ledger_become_absolute(tmp_path, monkeypatch):
    """The ledger lies beside the file, wherever the process goes afterwards."""
    monkeypatch.chdir(tmp_path)
    config = load_text(below("ledger: sqlite:///data/x.db"))
    assert config.path == tmp_path / "schedules.yaml"
    assert config.ledger.get_secret_value() == f"sqlite:///{tmp_path}/data/x.db"


def test_a_variable_may_stand_for_a_number_or_truth_but_quoted_text_may_not(tmp_path):
    """A variable has no type, so digits in one are a number; digits in quotes are text."""
    handler = 'handler: {url: "http://app.example/x", allow_http: "${YES}", concurrency: "${TWO}"}'
    source = load_text(in_source(handler), {"YES": "true", "TWO": "2"}, tmp_path).sources["acme"]
    assert source.handler == HttpHandler(url="http://app.example/x", allow_http=True, concurrency=2)
    assert problems_of(in_source("valve: '2'"), folder=tmp_path)


def test_a_variable_is_data_and_never_yaml(tmp_path):
    """No value of a variable can add a key, a list or a comment."""
    evil = "x\n    base_url: https://evil.example # [a, b]: {c: d}"
    source = load_text(in_source("note: ${EVIL}"), {"EVIL": evil}, tmp_path).sources["acme"]
    assert source.settings.note == evil
    assert type(source.settings.note) is str
    assert source.base_url is None


def test_a_key_is_never_a_variable(tmp_path):
    """Only values are replaced: a key stays what the file says."""
    problems = problems_of(in_source('"${WORD}": 1'), ENV, tmp_path)
    assert problems[0].startswith(":6:5 sources.acme.${WORD}: unknown key")


def test_all_problems_are_said_at_once_in_the_order_of_the_file(tmp_path):
    """One look at the file mends everything: nothing is hidden behind the first mistake."""
    text = below("timezone: Mars", "ledger: mysql://x", "schedules: [{job: nothing, every: 1m}]", "sauces: 1")
    text = text.replace("acme.example", "ACME").replace(
        "connector: shop", "connector: shop\n    valve: 0\n    late: no"
    )
    places = [
        tuple(int(part) for part in line.split()[0].split(":")[1:3]) for line in problems_of(text, folder=tmp_path)
    ]
    assert [line for line, _ in places] == [4, 5, 6, 8, 9, 10, 11]
    assert places == sorted(places)


def test_a_fault_in_the_defaults_is_said_once(tmp_path):
    """It is the fault of `defaults`, not of every source under it, and said also of sources with other faults."""
    text = below("defaults: {timeout: 0s}") + "sources2: {}\n"
    assert [line for line in problems_of(text, folder=tmp_path) if "timeout" in line] == [
        ":6:21 defaults.timeout: must be more than 0 (got 0s)"
    ]


def test_a_connectors_message_stays_on_one_line(tmp_path):
    """Whatever a connector's own message repeats, it cannot break the line or move the cursor (X4)."""
    (problem,) = problems_of(in_source('note: "bad\\nschedules.yaml:1:1: \\e[31mforged"'), folder=tmp_path)
    assert problem.startswith(":6:11 sources.acme.note: must not begin with bad, but is bad\\x0a")
    assert problem.isprintable()


def test_a_file_that_is_not_there_names_the_remedy(tmp_path, monkeypatch):
    """Without a file, the error says how to get one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(Path("schedules.yaml"), {})
    assert str(caught.value) == (
        "schedules.yaml: not found; write one with `reconcile init`, or name yours with --config"
    )


def test_a_folder_and_an_impossible_name_are_configuration_errors(tmp_path):
    """What cannot be opened is said, never a traceback."""
    for path, reason in (
        (tmp_path, "Is a directory"),
        (Path("\0"), "not a path"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(ConfigError, match=f"cannot be read: {reason}"):
            load(path, {})


def test_a_long_path_is_shown_whole(tmp_path):
    """The file's name is what an operator clicks on, so it is never cut."""
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    with pytest.raises(ConfigError) as caught:
        load_text("", folder=folder)
    assert str(caught.value).startswith(f"{folder}/schedules.yaml: is empty")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_others_may_write_that_names_code_is_warned_about(tmp_path, mode):
    """Who may write the file may run code as us; that is said, and the file still loads."""
    path = tmp_path / "schedules.yaml"
    for key, count in (("handler: a.b:c", 1), ("recorded: a.b:c", 1), ("handler: https://a.example/x", 0)):
        path.write_text(in_source(key))
        path.chmod(mode)
        warnings = load(path, {}, connectors=fakes).warnings
        assert len(warnings) == count
        assert all(f"chmod go-w {path}" in warning for warning in warnings)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_only_its_owner_may_write_is_not_warned_about(tmp_path, mode):
    """A file others may read but not write gives no warning, code or not."""
    path = tmp_path / "schedules.yaml"
    path.write_text(in_source("handler: a.b:c"))
    path.chmod(mode)
    assert load(path, {}, connectors=fakes).warnings == ()


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    """An editor's habits do not matter."""
    config = load_text(b"\xef\xbb\xbf" + VALID.replace("\n", "\r\n").encode(), folder=tmp_path)
    assert list(config.sources) == ["acme"]


def test_jobs_a_third_party_brings_may_be_scheduled(tmp_path):
    """A schedule may name any job there is, and no other."""
    path = tmp_path / "schedules.yaml"
    path.write_text(below("schedules: [{job: tidy, every: 1m}]"))
    assert load(path, {}, connectors=fakes, jobs=lambda: {"tidy"}).schedules[0].job == "tidy"
    with pytest.raises(ConfigError, match="must be a job; there are: sweep"):
        load(path, {}, connectors=fakes, jobs=lambda: {"sweep"})


@pytest.mark.parametrize("job", ["subscriptions", "backfill", "status-checks", "dispatch", "alerts", "purge"])
def test_every_job_of_this_project_may_be_scheduled(tmp_path, job):
    """The jobs the documentation names load; what purge is to keep has to be said."""
    more = ", keep_payloads: 90d" if job == "purge" else ""
    assert load_text(below(f"schedules: [{{job: {job}, every: 1m{more}}}]"), folder=tmp_path).schedules[0].job == job


def test_connectors_are_found_by_entry_point(tmp_path, monkeypatch):
    """Without an injected lookup, the installed entry points are asked, and an unknown name lists them."""
    path = tmp_path / "schedules.yaml"
    path.write_text("sources: {a: {connector: nonesuch}}")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    with pytest.raises(ConfigError) as asked:
        connector_class("nonesuch")
    assert str(asked.value) in str(caught.value)


def test_a_configuration_cannot_be_changed(whole):
    """What was checked stays what it was."""
    with pytest.raises(ValidationError):
        whole.timezone = "UTC"
    with pytest.raises(ValidationError):
        whole.sources["payments"].valve = 1


def test_nothing_secret_is_in_what_a_configuration_prints(whole):
    """Secrets stay out of logs and tracebacks that show a configuration (X1)."""
    shown = repr(whole) + str(whole.sources)
    assert all(secret not in shown for secret in ("shpat_dummy", "whsec_dummy", "sk_test_dummy", "app.db", "1025"))


def test_values_may_be_given_in_python_too():
    """Code and tests build a source from plain Python values, checked as the file's are."""
    settings = Shop.Settings(shop="a.example", access_token="shpat_dummy")
    source = SourceConfig(name="acme", connector="shop", settings=settings, settle=timedelta(0), http={"rate": 2.5})
    assert (source.settle, source.http.rate, source.settings) == (timedelta(0), 2.5, settings)
    with pytest.raises(ValidationError):
        SourceConfig(name="acme", connector="shop", settings=settings, timeout=timedelta(0))
