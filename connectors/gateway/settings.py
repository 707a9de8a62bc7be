"""The keys of a `connector: gateway` source: how one provider's list, status call and webhooks look.

`list` and `status` may each be left out; what is not configured is not claimed (`connectors.gateway.capabilities`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from connectors.gateway.pointers import Pointer
from connectors.gateway.settings_auth import AuthSettings
from connectors.gateway.settings_list import ListSettings
from connectors.gateway.settings_webhook import WebhookSettings
from connectors.gateway.strict import Strict, request_path
from reconcile.config import fields as kinds
from reconcile.model import TransactionStatus


def _braces(text: str, *known: str) -> tuple[str, ...]:
    """Which of `known` the text holds as `{name}`; any other brace raises `ValueError`."""
    rest = text
    for name in known:
        rest = rest.replace(f"{{{name}}}", "")
    if "{" in rest or "}" in rest:
        raise ValueError(f"may hold {' or '.join(f'{{{name}}}' for name in known)}, and no other braces")
    return tuple(name for name in known if f"{{{name}}}" in text)


def _with_id(text: str) -> str:
    _braces(text, "id")
    return text


def _topic(text: str) -> str:
    if not _braces(text, "status", "raw"):
        raise ValueError("must hold {status} (our word) or {raw} (theirs), such as payment.{status}")
    return text


class FieldsSettings(Strict):
    """Where an item keeps what we need of it: pointers into the item, wherever it is shown."""

    id: Pointer
    created_at: Pointer | None = None
    updated_at: Pointer | None = None
    status: Pointer
    amount: Pointer | None = None
    currency: Pointer | None = None


class StatusSettings(Strict):
    """How one item is asked for: `{id}` is filled in `path` (percent-encoded) and in `params`."""

    path: Annotated[str, AfterValidator(_with_id), AfterValidator(request_path)]
    params: dict[str, Annotated[str, AfterValidator(_with_id)]] = Field(default_factory=dict)
    item: Pointer = ""

    @model_validator(mode="after")
    def _asks_for_one(self) -> Self:
        if not any("{id}" in text for text in (self.path, *self.params.values())):
            raise ValueError("must hold {id} in path or params: one item is asked for")
        return self


class GatewaySettings(Strict):
    """A provider that is a list, a status call and a signature. `base_url` is its origin."""

    base_url: kinds.OriginUrl
    auth: AuthSettings
    listing: ListSettings | None = Field(default=None, alias="list")
    status: StatusSettings | None = Field(default=None, validate_default=True)
    fields_: FieldsSettings = Field(alias="fields")
    statuses: dict[str, TransactionStatus] = Field(min_length=1)
    topic: Annotated[kinds.Name, AfterValidator(_topic)] = "payment.{status}"
    timezone: kinds.Timezone = "UTC"
    webhook: WebhookSettings | None = None

    @field_validator("status")
    @classmethod
    def _reads_what_lists_left_out(cls, status: StatusSettings | None, info: ValidationInfo) -> StatusSettings | None:
        if status is None and "listing" in info.data:
            listing = info.data["listing"]
            if listing is None:
                raise ValueError("needs status where there is no list")
            if listing.filters.by_update:
                raise ValueError("needs status where a list is filtered by updated_at: what it left out is asked for")
        return status

    @field_validator("fields_")
    @classmethod
    def _has_the_time_it_is_listed_by(cls, fields: FieldsSettings, info: ValidationInfo) -> FieldsSettings:
        listing = info.data.get("listing")
        key = listing.filters.field if listing else None
        if key and getattr(fields, key) is None:
            raise ValueError(f"needs {key}, by which the list is filtered")
        return fields
