"""How requests prove who they are from."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, SecretStr, model_validator

from connectors.gateway.strict import Strict
from reconcile.config import fields as kinds

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: Headers that the client sets, or that would change what is asked.
_TAKEN = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"})


def header_name(text: str) -> str:
    """A header's name, for pydantic to check."""
    if not _TOKEN.fullmatch(text):
        raise kinds.problem("must be the name of a header, such as X-Api-Key")
    return text


def _ours_to_set(name: str) -> str:
    if name.lower() in _TAKEN:
        raise kinds.problem("must not be a header that every request has already")
    return name


def _visible(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise kinds.problem("must be of visible ASCII characters")
    return value


def _pair(value: SecretStr) -> SecretStr:
    if ":" not in value.get_secret_value():
        raise kinds.problem('must be "user:password"; one of the two may be empty')
    return value


HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValue = Annotated[kinds.Secret, AfterValidator(_visible)]


class HeaderAuth(Strict):
    """A header of the provider's own."""

    name: Annotated[HeaderName, AfterValidator(_ours_to_set)]
    value: HeaderValue


class QueryAuth(Strict):
    """A parameter of every request. Its value is in no log and no error."""

    name: kinds.Name
    value: kinds.Secret


class AuthSettings(Strict):
    """Exactly one way in; `basic` is `user:password`."""

    bearer: HeaderValue | None = None
    basic: Annotated[kinds.Secret, AfterValidator(_pair)] | None = None
    header: HeaderAuth | None = None
    query: QueryAuth | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise kinds.problem("must be exactly one of bearer, basic, header, query")
        return self
