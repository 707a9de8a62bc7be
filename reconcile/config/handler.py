"""Where events go, `handler:`, and where an app keeps what it handled, `recorded:`: each in two forms."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Tag, ValidationInfo, field_validator

from reconcile.config import fields as kinds
from reconcile.config.base import Frozen
from reconcile.config.urls import split_url
from reconcile.http.origin import is_loopback

_HANDLER = "must be module:attribute, a URL, or {url: https://…}"
_RECORDED = "must be module:attribute, or {database: …, query: …}"


class PythonHandler(Frozen):
    """A callable, or a `Handlers`, at `module:attribute`."""

    ref: kinds.Reference


class HttpHandler(Frozen):
    """A URL that gets each event as a freshly signed POST, at most `concurrency` at a time."""

    allow_http: kinds.Flag = False  # before `url`, whose check asks for it: fields are validated in this order
    url: str
    concurrency: kinds.Count = 4
    rate: kinds.Rate | None = None

    @field_validator("url")
    @classmethod
    def _https_unless_allowed(cls, url: str, info: ValidationInfo) -> str:
        parts = split_url(url)
        if parts.scheme == "http" and not (info.data.get("allow_http", True) or is_loopback(parts.hostname or "")):
            raise ValueError("must be https, or say {url: …, allow_http: true}")
        return url


class RecordedCallable(Frozen):
    """The app's own record of what it handled: a callable from a list of keys to those it has."""

    ref: kinds.Reference


class RecordedQuery(Frozen):
    """The app's own record, as a query of `:keys` whose first column holds the keys found."""

    database: kinds.Secret
    query: str

    @field_validator("query")
    @classmethod
    def _asks_for_keys(cls, query: str) -> str:
        if not re.search(r":keys\b", query):
            raise ValueError("must ask for :keys, such as select id from events where id in :keys")
        return query


def _handler_form(value: object) -> object:
    if isinstance(value, str):
        return {"url" if "://" in value else "ref": value}
    return value


def _recorded_form(value: object) -> object:
    return {"ref": value} if isinstance(value, str) else value


def _form_of(value: object) -> str | None:
    """The tag of the model that reads a handler or a record: the one for a reference, or the other."""
    if isinstance(value, PythonHandler | RecordedCallable) or (isinstance(value, dict) and "ref" in value):
        return "<ref>"
    return "<other>" if isinstance(value, dict | HttpHandler | RecordedQuery) else None


Handler = Annotated[
    Annotated[PythonHandler, Tag("<ref>")] | Annotated[HttpHandler, Tag("<other>")],
    Discriminator(_form_of, custom_error_type="handler", custom_error_message=_HANDLER),
    BeforeValidator(_handler_form),
]
Recorded = Annotated[
    Annotated[RecordedCallable, Tag("<ref>")] | Annotated[RecordedQuery, Tag("<other>")],
    Discriminator(_form_of, custom_error_type="recorded", custom_error_message=_RECORDED),
    BeforeValidator(_recorded_form),
]
