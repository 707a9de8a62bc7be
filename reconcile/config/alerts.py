"""The section `alerts`: how mail leaves, who is told, and how often."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from reconcile.config import fields as kinds
from reconcile.config.base import Frozen, check_sources
from reconcile.config.urls import smtp_url, web_url


class EscalationConfig(Frozen):
    """Who else is told of what is still open, and taken on by nobody, after so long."""

    after: kinds.Duration
    to: kinds.Addresses


class SilenceConfig(Frozen):
    """What counts as silence: turns of a schedule without a run that ended well, time without a live delivery."""

    runs: kinds.Count = 3
    deliveries: kinds.Duration = timedelta(days=1)


class AlertsConfig(Frozen):
    """How mail leaves, from whom and to whom; `third_parties` are asked to settle a source's transactions.

    `repeat` is the wait between two mails about the same; `digest` the most incidents of one cause that a mail shows;
    `lag` how many turns of its schedule a stream may fall behind; `ping` a dead-man's switch, told of every run
    that reads.
    """

    smtp: kinds.Secret
    from_: kinds.Address = Field(alias="from")
    to: kinds.Addresses
    third_parties: dict[str, kinds.Addresses] = Field(default={})
    repeat: kinds.Duration = timedelta(days=1)
    escalate: tuple[EscalationConfig, ...] = ()
    digest: kinds.Count = 10
    lag: kinds.Count = 3
    silence: SilenceConfig = SilenceConfig()
    ping: kinds.Secret | None = None

    @field_validator("smtp")
    @classmethod
    def _is_smtp(cls, smtp: SecretStr) -> SecretStr:
        smtp_url(smtp.get_secret_value())
        return smtp

    @field_validator("ping")
    @classmethod
    def _is_web(cls, ping: SecretStr | None) -> SecretStr | None:
        if ping is not None:
            web_url(ping.get_secret_value())
        return ping

    @field_validator("third_parties")
    @classmethod
    def _exist(cls, parties: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        check_sources(((name, name) for name in parties), info)
        return parties

    @field_validator("escalate")
    @classmethod
    def _grows(cls, steps: tuple[EscalationConfig, ...]) -> tuple[EscalationConfig, ...]:
        for place, (one, following) in enumerate(pairwise(steps), 1):
            if following.after <= one.after:
                raise kinds.problem_at(place, "must come after the step before it")
        return steps
