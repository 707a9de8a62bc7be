"""What `schedules.yaml` says, as frozen values. Reading the file is `reconcile.config.load`.

Durations are `timedelta`, sizes bytes, rates requests a second. Every model refuses unknown keys, and none
shows a value in its own errors.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    InstanceOf,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reconcile.config import fields as kinds
from reconcile.config.alerts import AlertsConfig
from reconcile.config.base import Frozen, check_sources
from reconcile.config.handler import Handler, HttpHandler, PythonHandler, Recorded
from reconcile.config.schedule import parse_cron
from reconcile.config.urls import ledger_url, same_url

SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class HttpConfig(Frozen):
    """Limits of one request to a provider: total time, attempts, decoded bytes, requests a second."""

    deadline: kinds.Duration = timedelta(seconds=30)
    attempts: kinds.Count = 5
    max_body: kinds.Size = 20_000_000
    rate: kinds.Rate | None = None


class WebhookConfig(Frozen):
    """The subscription a source should have: where to, signed with which secrets (newest first), for what.

    `api_versions` are those its handler understands, the wanted one first; none given, any will do. `allow_from` are
    the networks that deliveries may come from, `trusted_proxies` those whose `X-Forwarded-For` is believed.
    """

    url: kinds.WebUrl | None = None
    secrets: kinds.Secrets = Field(default=(), alias="secret")
    topics: kinds.Names
    api_versions: kinds.Names = ()
    allow_from: kinds.Networks = ()
    trusted_proxies: kinds.Networks = ()
    rate_limit: kinds.Rate | None = None

    @model_validator(mode="after")
    def _proxies_have_a_use(self) -> Self:
        if self.trusted_proxies and not self.allow_from:
            raise kinds.problem_at("trusted_proxies", "is of use beside allow_from only")
        return self


class Tuning(Frozen):
    """What `defaults:` may hold, and each source too."""

    settle: kinds.DurationOrZero = timedelta(minutes=2)
    overlap: kinds.DurationOrZero = timedelta(hours=1)
    valve: kinds.Count = 500
    timeout: kinds.Duration = timedelta(seconds=30)
    retry: tuple[kinds.Duration, ...] = tuple(timedelta(seconds=s) for s in (10, 60, 300, 1800, 3600, 10800, 86400))
    http: HttpConfig = HttpConfig()


def _source_name(name: str) -> str:
    if not SOURCE_NAME.fullmatch(name):
        raise ValueError("must be of lower-case letters, digits and hyphens, such as acme-shop")
    return name


class SourceConfig(Tuning):
    """One account at a provider. `settings` are the connector's own keys, validated by its `Settings`.

    `transactions` are the types that are followed while they are pending, or a type in one status (`type/status`);
    `ladder` the waits between two questions about one.
    """

    name: Annotated[str, AfterValidator(_source_name)]
    connector: str
    settings: InstanceOf[BaseModel]
    base_url: kinds.OriginUrl | None = None
    webhook: WebhookConfig | None = None
    streams: kinds.Names | None = None
    handler: Handler | None = None
    recorded: Recorded | None = None
    late: Literal["deliver", "skip"] = "deliver"
    transactions: kinds.NamesOrNone | None = None
    ladder: kinds.Durations | None = None

    @field_validator("handler")
    @classmethod
    def _not_our_own_door(
        cls, handler: PythonHandler | HttpHandler | None, info: ValidationInfo
    ) -> PythonHandler | HttpHandler | None:
        webhook = info.data.get("webhook")
        if isinstance(handler, HttpHandler) and webhook and webhook.url and same_url(handler.url, webhook.url):
            raise ValueError("must not be webhook.url: what we replay would come back to our own door")
        return handler


#: Retries come for days, and a person may have an event sent again for weeks (Stripe: 30 days): an event whose keys are
#: gone by then would be handled a second time.
KEYS_AT_LEAST = timedelta(days=30)


class ScheduleConfig(Frozen):
    """When a job runs, for which sources (None: all), and the two jobs' own options.

    `ladder`, of `status-checks`, are the waits between two questions. `keep_payloads` and `keep_keys`, of `purge`,
    are how long what events carry is kept, and how long they are known at all: for ever, unless said.
    """

    job: str
    every: kinds.Duration | None = None
    cron: str | None = None
    sources: kinds.Names | None = None
    ladder: kinds.Durations | None = None
    keep_payloads: kinds.Duration | None = None
    keep_keys: kinds.Duration | None = None

    @field_validator("job")
    @classmethod
    def _is_known(cls, job: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("jobs", (job,))
        if job not in known:
            raise ValueError(f"must be a job; there are: {', '.join(sorted(known))}")
        return job

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, cron: str | None) -> str | None:
        if cron is not None:
            parse_cron(cron)
        return cron

    @field_validator("sources")
    @classmethod
    def _exist(cls, sources: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        check_sources(enumerate(sources or ()), info)
        return sources

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if (self.every is None) == (self.cron is None):
            raise ValueError("must have every or cron" if self.every is None else "must not have both every and cron")
        if self.ladder and self.job != "status-checks":
            raise kinds.problem_at("ladder", "is for the job status-checks only")
        if self.keep_payloads and self.job != "purge":
            raise kinds.problem_at("keep_payloads", "is for the job purge only")
        if self.keep_keys and self.job != "purge":
            raise kinds.problem_at("keep_keys", "is for the job purge only")
        if self.keep_keys and self.keep_keys < (self.keep_payloads or self.keep_keys):
            raise kinds.problem_at("keep_keys", "must not be shorter than keep_payloads")
        if self.keep_keys and self.keep_keys < KEYS_AT_LEAST:
            raise kinds.problem_at("keep_keys", "must be 30d or more: providers send events again for as long")
        if self.job == "purge" and not (self.keep_payloads or self.keep_keys):
            raise ValueError("must say keep_payloads, such as keep_payloads: 90d")
        return self


class Config(Frozen):
    """A whole `schedules.yaml`. `path` is absolute; `warnings` are to be said before anything runs.

    `keys` are those of `$RECONCILE_KEY`, the one that encrypts first.
    """

    path: Path
    ledger: kinds.Secret = Field(default=SecretStr("sqlite:///reconcile.db"), validate_default=True)
    timezone: kinds.Timezone = "UTC"
    sources: dict[str, SourceConfig]
    schedules: tuple[ScheduleConfig, ...] = ()
    alerts: AlertsConfig | None = None
    warnings: tuple[str, ...] = ()
    keys: tuple[SecretStr, ...] = ()

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, path: Path) -> Path:
        return path.absolute()

    @field_validator("ledger")
    @classmethod
    def _from_the_file(cls, ledger: SecretStr, info: ValidationInfo) -> SecretStr:
        return SecretStr(ledger_url(ledger.get_secret_value(), info.data["path"].parent))
