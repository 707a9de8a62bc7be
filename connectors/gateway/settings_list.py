"""How a list is asked by time, and page by page."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from connectors.gateway.pointers import Pointer
from connectors.gateway.strict import Strict, request_path
from reconcile.config import fields as kinds

_WAYS = ("page", "offset", "cursor", "next", "link_header")
#: What goes with one way only.
_PARTS = {"first": ("page",), "past_end": ("page",), "from": ("cursor",), "last": ("cursor",), "more": ("cursor",)}


class FiltersSettings(Strict):
    """Our names of the time filters to the provider's."""

    created_at_min: kinds.Name | None = None
    created_at_max: kinds.Name | None = None
    updated_at_min: kinds.Name | None = None
    updated_at_max: kinds.Name | None = None

    @property
    def by_update(self) -> bool:
        """Whether the list is asked by last change: where it can be, that is what is asked."""
        return self.updated_at_min is not None

    @property
    def field(self) -> str:
        """The item's time that the list is asked by."""
        return "updated_at" if self.by_update else "created_at"

    @property
    def names(self) -> tuple[str, str | None]:
        """The provider's names of the beginning and the end."""
        if self.updated_at_min is not None:
            return self.updated_at_min, self.updated_at_max
        return self.created_at_min or "", self.created_at_max

    @model_validator(mode="after")
    def _begins_somewhere(self) -> Self:
        for time in ("created_at", "updated_at"):
            if getattr(self, f"{time}_max") is not None and getattr(self, f"{time}_min") is None:
                raise kinds.problem_at(f"{time}_max", f"needs {time}_min beside it")
        if self.created_at_min is None and self.updated_at_min is None:
            raise ValueError("must have created_at_min or updated_at_min: a list is read by time")
        return self


def _is_named(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) != 1:
        raise ValueError("must be one name and one number, such as {per_page: 100}")
    return value


PageSize = Annotated[kinds.Count, Field(le=10_000)]


class PagingSettings(Strict):
    """One way from page to page.

    `first` is the number of the first page, `past_end` what a provider answers that has no empty page after the last
    one. A cursor comes `from` a place in the answer, or from the `last` item of
    it; then `more` is where the answer says whether there is another page.
    """

    page: kinds.Name | None = None
    first: Annotated[int, Field(strict=True, ge=0, le=1)] = 1
    past_end: Literal[404] | None = None
    offset: kinds.Name | None = None
    cursor: kinds.Name | None = None
    from_: Pointer | None = Field(default=None, alias="from")
    last: Pointer | None = None
    more: Pointer | None = None
    next: Pointer | None = None
    link_header: kinds.Flag = False
    size: Annotated[dict[kinds.Name, PageSize], AfterValidator(_is_named)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in _WAYS if getattr(self, way) not in (None, False)]
        if len(ways) != 1:
            raise ValueError(f"must be none, or have exactly one of {', '.join(_WAYS)}")
        given = {type(self).model_fields[name].alias or name for name in self.model_fields_set}
        for part, takers in _PARTS.items():
            if part in given and ways[0] not in takers:
                raise kinds.problem_at(part, f"is for {takers[0]} only")
        self._check_way(ways[0])
        return self

    def _check_way(self, way: str) -> None:
        if way in ("page", "offset") and self.size is None:
            raise ValueError(f"needs size beside {way}, such as size: {{per_page: 100}}")
        if way == "cursor" and (self.from_ is None) == (self.last is None):
            raise ValueError("needs from (where the answer has the cursor) or last (where its last item has it)")


def _none_or_a_way(value: object) -> object:
    if isinstance(value, str) and value != "none":
        raise ValueError("must be none, or a mapping such as {page: page, size: {per_page: 100}}")
    return None if value == "none" else value


class ListSettings(Strict):
    """A list of items, and how it is asked for those of a stretch of time."""

    path: Annotated[str, AfterValidator(request_path)]
    items: Pointer
    filters: FiltersSettings
    time: Literal["iso8601", "epoch_s", "epoch_ms", "date"] = "iso8601"
    paging: Annotated[PagingSettings | None, BeforeValidator(_none_or_a_way)]

    @field_validator("path")
    @classmethod
    def _is_one_list(cls, path: str) -> str:
        if "{" in path or "}" in path:
            raise ValueError("must not hold braces: it is the same list for all")
        return path

    @property
    def by_place(self) -> bool:
        """Whether a page is what stands at some place now, whatever stood there before."""
        return self.paging is not None and (self.paging.page or self.paging.offset) is not None

    @property
    def page_size(self) -> int:
        """What is asked for, or what windows are sized by where nothing is."""
        size = self.paging.size if self.paging else None
        return next(iter(size.values())) if size else 100
