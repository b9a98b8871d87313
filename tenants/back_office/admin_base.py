"""Common to every page of the back office: Unfold's theme, short lists, permissions, and services that write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import transaction
from django.http import Http404
from typing_extensions import override

from tenants.audit import SECRET_FIELDS, SECRET_MAPS, Actor, actor_of
from tenants.back_office.history import history_page
from tenants.back_office.paging import BoundedPaginator
from tenants.back_office.permitted import Permitted
from tenants.back_office.row_services import services_of

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _Admin
    from django.contrib.admin import StackedInline as _Stacked
    from django.contrib.admin import TabularInline as _Tabular
    from django.db.models import Model, QuerySet
    from django.forms import BaseInlineFormSet, ModelForm
    from django.http import HttpRequest, HttpResponse

    _ModelAdmin = _Admin[Any]
    _StackedInline = _Stacked[Any, Any]
    _TabularInline = _Tabular[Any, Any]
else:
    from unfold.admin import ModelAdmin as _ModelAdmin
    from unfold.admin import StackedInline as _StackedInline
    from unfold.admin import TabularInline as _TabularInline

COMPARISONS = frozenset(
    {
        "",
        "pk",
        "id",
        "exact",
        "in",
        "isnull",
        "isempty",
        "gt",
        "gte",
        "lt",
        "lte",
        "range",
        "date",
        "year",
        "month",
    }
)

__all__ = ["AuditedModelAdmin", "ReadOnlyAdmin", "StackedInline", "TabularInline"]


class StackedInline(Permitted, _StackedInline):
    """Rows of another model on their owner's page, one below the other."""


class TabularInline(Permitted, _TabularInline):
    """Rows of another model on their owner's page, as a table."""


class AuditedModelAdmin(Permitted, _ModelAdmin):
    """Writes through the services of the model (row_services.py): they hold the rules and write the audit row."""

    list_per_page = list_max_show_all = 50  # never all rows at once
    show_full_result_count = False
    paginator = BoundedPaginator
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)

    @override
    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let the URL of a list filter by what the list shows or offers, and by nothing else.

        A user who may filter by a column can read it letter by letter, also one that no page shows: hashes of passwords
        and keys, ciphertexts, settings of providers, those of related rows included. Pattern filters are never allowed.
        """
        name = next((each for each in self._comparable() if f"{lookup}__".startswith(f"{each}__")), None)
        if name is None or not SECRET_FIELDS.union(SECRET_MAPS).isdisjoint(lookup.split("__")):
            return False
        how = lookup.removeprefix(name).removeprefix("__").split("__")
        return COMPARISONS.issuperset(how) and bool(super().lookup_allowed(lookup, value, request))  # type: ignore[arg-type]  # the stubs know no None

    def _comparable(self) -> list[str]:
        """Return the columns that may be filtered, the longest names first."""
        offered = [each[0] if isinstance(each, tuple) else each for each in self.list_filter]
        named = [getattr(each, "parameter_name", each) for each in (*offered, *self.list_display)]
        names = {name for name in named if isinstance(name, str)}
        return sorted({*names, "pk", self.opts.pk.name}, key=len, reverse=True)

    @override
    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        if change and not form.changed_data:
            return  # only its inlines were changed
        self._save(request, obj, form)

    @override
    @transaction.atomic
    def save_formset(
        self,
        request: HttpRequest,
        form: ModelForm[Any],
        formset: BaseInlineFormSet[Any, Any, Any],
        change: bool,
    ) -> None:
        formset.save(commit=False)  # sorts the rows into new, changed and deleted ones
        forms = {id(each.instance): each for each in formset.forms}
        for row in formset.deleted_objects:  # first: a new row may take the place of a deleted one
            _delete(row, actor_of(request))
        for row in (*(row for row, _ in formset.changed_objects), *formset.new_objects):
            self._save(request, row, forms[id(row)])
        formset.save_m2m()

    def _save(self, request: HttpRequest, row: Any, form: ModelForm[Any]) -> None:
        services = services_of(type(row))
        try:
            services.write(row, actor=actor_of(request), **services.given(form))
        except ObjectDoesNotExist as deleted:  # since this page read it
            raise Http404(str(deleted)) from deleted

    @override
    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit trail has all changes, from any source; Django's own log only has those of this site."""
        return history_page(request, self, object_id)

    @override
    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self._delete(request, [obj])

    @override
    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._delete(request, queryset)

    def _delete(self, request: HttpRequest, rows: Iterable[Model]) -> None:
        for row in rows:
            _delete(row, actor_of(request))


class ReadOnlyAdmin(AuditedModelAdmin):
    """Rows that only the program writes: they have no services, and the table of permissions lets people view them."""


def _delete(row: Model, actor: Actor) -> None:
    remove = services_of(type(row)).remove
    if remove is None:
        raise PermissionDenied
    remove(row, actor=actor)
