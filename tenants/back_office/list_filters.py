"""Filters of lists in the back office by known values, so that no table is queried for its values."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.http import HttpRequest


class OneOf(admin.SimpleListFilter):
    """Filters the column called `parameter_name`. A value in the URL that is not offered filters nothing."""

    @abstractmethod
    def offered(self) -> Iterable[tuple[str, str]]:
        """Return the values, each with its label on the page."""

    def chosen(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Return the rows with this value, one of those offered."""
        return rows.filter(**{str(self.parameter_name): value})

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.offered())

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return self.chosen(queryset, value) if value in dict(self.lookup_choices) else queryset
