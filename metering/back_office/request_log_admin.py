"""The request log in the back office: calls that were refused or never reached a provider, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from typing_extensions import override

from metering.back_office.call_lists import CallList, OfCode, OfKey, OfModel, OfTenant
from metering.back_office.json_fields import STYLES, json_display
from metering.explain.refusal_story import explain_refusal, in_short
from metering.explain.story import Section
from metering.models import LoggedRequest
from tenants.back_office.list_filters import OneOf

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

JSON_FIELDS = ("figures", "decision")
STATUSES = (200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 499, 500, 502, 503, 504)


class OfStatus(OneOf):
    """The status sent to the client: the statuses of the gateway's own responses."""

    title, parameter_name = "status", "http_status"

    @override
    def offered(self) -> list[tuple[str, str]]:
        return [(str(status), str(status)) for status in STATUSES]


@admin.register(LoggedRequest)
class LoggedRequestAdmin(CallList):
    class Media:
        css: ClassVar = {"all": (STYLES,)}

    figures_json, decision_json = map(json_display, JSON_FIELDS)
    list_display = (
        "call",
        "when",
        "tenant",
        "api_key_prefix",
        "model",
        "http_status",
        "error_code",
        "why",
        "alike",
        "client",
    )
    list_filter = ("at", OfStatus, OfTenant, OfKey, OfModel, OfCode)
    ordering = ("-at",)

    @override
    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = (field.name for field in LoggedRequest._meta.concrete_fields)  # noqa: SLF001 - Django's documented model API
        names = [f"{name}_json" if name in JSON_FIELDS else name for name in fields]
        return [("What happened", {"fields": ["story"]}), ("The row of the request log", {"fields": names})]

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["story", *(f"{name}_json" for name in JSON_FIELDS)]

    @admin.display(description="time", ordering="at")
    def when(self, row: LoggedRequest) -> SafeString:
        return self._when(row.at)

    @admin.display(description="why")
    def why(self, row: LoggedRequest) -> str:
        return in_short(row)

    @override
    def parts(self, row: LoggedRequest) -> list[Section]:
        return explain_refusal(row)
