"""The audit trail in the back office: who did what to which object, and what that changed. Read-only."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.contrib import admin
from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from typing_extensions import override

from tenants.back_office.admin_base import ReadOnlyAdmin
from tenants.back_office.list_filters import OneOf
from tenants.differences import DONE, differences
from tenants.models import ApiKey, AuditEvent

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

SHOWN_IN_LISTS = 3
MOST_KEYS = 50  # whose name or prefix is searched for


class ActionFilter(OneOf):
    title = parameter_name = "action"

    @override
    def offered(self) -> list[tuple[str, str]]:
        return list(DONE.items())


class ResourceFilter(OneOf):
    """The kinds of objects that have a page."""

    title, parameter_name = "kind of object", "resource"

    @override
    def offered(self) -> list[tuple[str, str]]:
        return sorted((name, _words(_models()[name])) for name in _pages())


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "done", "kind", "what", "changed", "ip")
    list_filter = (ActionFilter, ResourceFilter, "at")
    search_fields = ("name",)
    search_help_text = "Whole words: who did it, the object's name or ID, a key's name or prefix."
    sortable_by: ClassVar[tuple[str, ...]] = ()
    fields = ("at", "actor", "done", "kind", "what", "changes", "ip", "user_agent")
    readonly_fields = ("done", "kind", "what", "changes")

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Each part of the search has an index; keys are found by their ids."""
        text = search_term.strip()
        if not text:
            return queryset, False
        prefix = text.removeprefix("sk-").partition(".")[0]
        keys = ApiKey.objects.filter(Q(prefix=prefix) | Q(name=text)).values_list("pk", flat=True)
        wanted = Q(actor=text) | Q(name=text) | Q(resource_id=text)
        wanted |= Q(resource="apikey", resource_id__in=[str(pk) for pk in keys[:MOST_KEYS]])
        return queryset.filter(wanted), False

    @admin.display(description="action")
    def done(self, event: AuditEvent) -> str:
        return DONE.get(event.action, event.action)

    @admin.display(description="kind")
    def kind(self, event: AuditEvent) -> str:
        model = _models().get(event.resource)
        return _words(model) if model is not None else event.resource.capitalize()

    @admin.display(description="object")
    def what(self, event: AuditEvent) -> SafeString | str:
        model = _models().get(event.resource)
        words = event.name or event.resource_id
        url = _url(model, event.resource_id) if model is not None and event.action != "delete" else ""
        return format_html('<a class="text-link" href="{}">{}</a>', url, words) if url else words

    @admin.display(description="changed")
    def changed(self, event: AuditEvent) -> str:
        if event.before is None or event.after is None:
            return ""
        found = differences(_models().get(event.resource), event.before, event.after)
        changes = [f"{each.field}: {each.before} → {each.after}" for each in found[:SHOWN_IN_LISTS]]
        more = [f"and {len(found) - SHOWN_IN_LISTS} more"] if len(found) > SHOWN_IN_LISTS else []
        return "; ".join([*changes, *more])

    @admin.display(description="changes")
    def changes(self, event: AuditEvent) -> SafeString | str:
        found = differences(_models().get(event.resource), event.before, event.after)
        if not found:
            return "Nothing that is shown was changed."
        rows = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", found)
        return format_html(
            '<table class="facts"><thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>'
            "<tbody>{}</tbody></table>",
            rows,
        )


@cache
def _models() -> dict[str, type[Model]]:
    """Return all models by the name that the trail stores."""
    return {model._meta.model_name or "": model for model in apps.get_models()}  # noqa: SLF001 - Django's documented names


def _pages() -> set[str]:
    """Return the names of the models that have pages."""
    return {model._meta.model_name or "" for model in admin.site._registry}  # noqa: SLF001 - as above


def _words(model: type[Model]) -> str:
    name = str(model._meta.verbose_name)  # noqa: SLF001 - as above
    return f"{name[:1].upper()}{name[1:]}"


def _url(model: type[Model], pk: str) -> str:
    options = model._meta  # noqa: SLF001 - as above
    try:
        return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[pk])
    except NoReverseMatch:
        return ""
