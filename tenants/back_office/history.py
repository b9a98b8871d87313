"""Who changed an object: the History page of everything in the administration shows the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse

from tenants.differences import DONE, differences
from tenants.models import AuditEvent

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

SHOWN = 100


def history_page(request: HttpRequest, admin: ModelAdmin[Any], object_id: str) -> HttpResponse:
    """Return the last changes of one object, newest first. Raises PermissionDenied."""
    row = admin.get_object(request, unquote(object_id))
    if row is None:
        return admin._get_obj_does_not_exist_redirect(request, admin.opts, object_id)  # type: ignore[no-any-return,attr-defined]  # noqa: SLF001 - as Django's own history page
    if not admin.has_view_or_change_permission(request, row):
        raise PermissionDenied
    events = AuditEvent.objects.filter(resource=admin.opts.model_name or "", resource_id=str(row.pk))
    found = list(events.order_by("-pk")[: SHOWN + 1])
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "title": f"History of {row}",
        "opts": admin.opts,
        "original": row,
        "events": [
            (each, DONE.get(each.action, each.action), differences(admin.model, each.before, each.after))
            for each in found[:SHOWN]
        ],
        "is_more": len(found) > SHOWN,
        "shown": SHOWN,
    }
    return TemplateResponse(request, "admin/object_history.html", context)
