"""A confirmation page before an operation that stops calls: an action of a list, or a button of one object's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import helpers
from django.template.response import TemplateResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.http.response import HttpResponse

CONFIRMED = "confirmed"
ACROSS = "select_across"  # Django's name for all rows of a list, on its other pages too
SHOWN = 100


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether this is the submitted form of the page below; only a POST is."""
    return request.method == "POST" and request.POST.get(CONFIRMED) == "yes"


def confirmation_page(  # noqa: PLR0913 - the page's contents
    request: HttpRequest,
    admin: ModelAdmin[Any],
    rows: Iterable[Any],
    *,
    question: str,
    consequence: str,
    button: str,
    action: str = "",
    original: Any = None,
) -> HttpResponse:
    """Return the page that asks. `action` is that of a list, sent again; without it the form posts to its own URL."""
    request.current_app = admin.admin_site.name
    found, across = list(rows), request.POST.get(ACROSS) == "1"
    context = {
        **admin.admin_site.each_context(request),
        "title": question,
        "opts": admin.opts,
        "original": original,
        "question": question,
        "consequence": consequence,
        "button": button,
        "rows": found[:SHOWN],
        "more": len(found) - SHOWN,
        "sent": found[:1] if across else found,  # with `select_across` Django needs one row only
        "across": across,
        "action": action,
        "confirmed": CONFIRMED,
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
        "media": admin.media,
    }
    return TemplateResponse(request, "tenants/confirm.html", context)
