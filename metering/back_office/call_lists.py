"""Common parts of the lists of calls in the back office: search and filters by an index, times with seconds and
zone, short ids. No list queries a table of calls for its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from typing_extensions import override
from unfold.contrib.filters.admin import TextFilter

from metering.ledger.lookup import ID
from metering.models import LoggedRequest, UsageEvent
from tenants.back_office.admin_base import ReadOnlyAdmin
from tenants.models import ApiKey, Tenant

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from metering.explain.story import Section

ONE_LINE = "whitespace-nowrap"  # a class of Unfold's style sheet
SHOWN = 10  # last characters of an id: it begins with a time, which calls of one minute share


def by_tenant(rows: QuerySet[Any], name: str) -> QuerySet[Any] | None:
    """Return the calls of the tenant with this name; None: no such tenant. The table of calls is indexed by its id."""
    tenant_id = Tenant.objects.filter(name=name).values_list("pk", flat=True).first()
    return None if tenant_id is None else rows.filter(tenant_id=tenant_id)


def by_key(rows: QuerySet[Any], text: str) -> QuerySet[Any] | None:
    """Return the calls with this key, given by its prefix or as sk-prefix, with or without a secret."""
    prefix = text.removeprefix("sk-").partition(".")[0]
    if rows.model is LoggedRequest:
        return rows.filter(api_key_prefix=prefix)
    key_id = ApiKey.objects.filter(prefix=prefix).values_list("pk", flat=True).first()
    return None if key_id is None else rows.filter(key_id=key_id)


def search(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Return the calls that a text names: an id, sk- and a key's prefix, a tenant, a key's prefix, a model, or the
    client's request id. Each uses its own index, one query after another: OR-ed together they would be a table scan.
    """
    text = text.strip().replace("\0", "")
    if ID.fullmatch(text.lower()):
        return rows.filter(pk=text.lower())
    if text.startswith("sk-"):
        found = by_key(rows, text)
        return rows.none() if found is None else found
    if (of_tenant := by_tenant(rows, text)) is not None:
        return of_tenant
    of_key = by_key(rows, text)
    if of_key is not None and of_key.exists():
        return of_key
    of_model = rows.filter(model=text)
    return of_model if of_model.exists() else rows.filter(client_request_id=text, client_request_id__gt="")


class _Exactly(TextFilter):  # type: ignore[misc]  # Unfold has no types
    """A filter by one value, which is compared as a whole."""

    def found(self, rows: QuerySet[Any], text: str) -> QuerySet[Any] | None:
        raise NotImplementedError

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip().replace("\0", "")
        if not text:
            return queryset
        found = self.found(queryset, text)
        return queryset.none() if found is None else found


class OfTenant(_Exactly):
    title, parameter_name = "tenant", "tenant"

    @override
    def found(self, rows: QuerySet[Any], text: str) -> QuerySet[Any] | None:
        return by_tenant(rows, text)


class OfKey(_Exactly):
    title, parameter_name = "key prefix", "key"

    @override
    def found(self, rows: QuerySet[Any], text: str) -> QuerySet[Any] | None:
        return by_key(rows, text)


class OfModel(_Exactly):
    title, parameter_name = "model", "model"

    @override
    def found(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(model=text)


class OfCode(_Exactly):
    title, parameter_name = "error code", "code"

    @override
    def found(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(error_code=text, error_code__gt="")


class CallList(ReadOnlyAdmin):
    """A list of calls, newest first, read-only."""

    list_filter_submit = True  # of Unfold: text filters need a button
    list_max_show_all = 0
    search_fields = ("=pk",)  # shows the search box; get_search_results finds the calls
    search_help_text = "Request id, sk- and key prefix, tenant or model"
    sortable_by: ClassVar[tuple[str, ...]] = ("when",)

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        found = search(queryset, search_term)
        if ID.fullmatch(search_term.strip().lower()):
            self._point_to_the_other(request, found, search_term.strip().lower())
        return found, False

    def _point_to_the_other(self, request: HttpRequest, found: QuerySet[Any], call: str) -> None:
        """Show a link if the call is in the other list: its id does not show in which list it is."""
        other = UsageEvent if self.model is LoggedRequest else LoggedRequest
        if found.exists() or not other.objects.filter(pk=call).exists():
            return
        address = reverse(f"admin:metering_{other._meta.model_name}_change", args=[call])  # noqa: SLF001 - Django's documented model API
        name = other._meta.verbose_name_plural  # noqa: SLF001
        messages.info(request, format_html('That call is in: <a href="{}">{}</a>.', address, name))

    @admin.display(description="call", ordering="pk")
    def call(self, row: Any) -> SafeString:
        return format_html('<span class="{}" title="{}">…{}</span>', ONE_LINE, row.pk, row.pk[-SHOWN:])

    def parts(self, row: Any) -> list[Section]:
        """Return the explanation of a call, in sections."""
        raise NotImplementedError

    @admin.display(description="step by step")
    def story(self, row: Any) -> SafeString:
        """Return the sentences of manage.py explain."""
        return format_html_join(
            "",
            "<p><strong>{}</strong>{}</p>",
            (
                (part.title, format_html_join("", "<br>{}", ((each,) for each in part.sentences)))
                for part in self.parts(row)
            ),
        )

    def _when(self, at: datetime) -> SafeString:
        day, time = f"{at:%Y-%m-%d}", f"{at:%H:%M:%S} UTC"
        return format_html(
            '<span class="{}">{}</span> <span class="{}">{}</span>', ONE_LINE, day, ONE_LINE, time
        )
