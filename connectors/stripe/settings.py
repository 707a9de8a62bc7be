"""The keys of a `connector: stripe` source."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints, field_validator

Version = Annotated[str, StringConstraints(pattern=r"^20\d\d-\d\d-\d\d(\.[a-z]+)?$")]
Account = Annotated[str, StringConstraints(pattern=r"^acct_[A-Za-z0-9]+$")]


class StripeSettings(BaseModel):
    """`api_key` is a secret or restricted key; `api_version` is what lists, and so rebuilt events, are rendered in.

    `accounts` are the connected accounts to read *instead of* the key's own: Connect events come through endpoints of
    their own with a secret of their own, so a platform that wants both has two sources.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr
    api_version: Version = "2026-10-28.endive"
    accounts: tuple[Account, ...] = ()

    @field_validator("api_key")
    @classmethod
    def _can_read(cls, key: SecretStr) -> SecretStr:
        if not key.get_secret_value().startswith(("sk_", "rk_")):
            raise ValueError("must be a secret (sk_…) or restricted (rk_…) key")
        return key

    @field_validator("accounts")
    @classmethod
    def _each_once(cls, accounts: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(accounts)) != len(accounts):
            raise ValueError("names an account twice")
        return accounts
