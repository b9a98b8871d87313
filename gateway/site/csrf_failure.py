"""The page for a refused form (Django's CSRF_FAILURE_VIEW): it names the missing setting.

The usual cause is a proxy that ends TLS or has another name: the browser then sends an address unknown to the gateway,
or it does not send its cookies.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import render

_ORIGIN = re.compile(r"https?://[A-Za-z0-9._~:\[\]-]{1,260}")


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the reason, with status 403: the address differs, there is no cookie, or the form is too old."""
    seen = f"{request.scheme}://{request.get_host()}"
    origin = _origin_of(request)
    has_no_cookie = reason == REASON_NO_CSRF_COOKIE
    needs_tls = has_no_cookie and settings.CSRF_COOKIE_SECURE and not request.is_secure()
    facts = {
        "seen": seen,
        "origin": origin,
        "is_elsewhere": reason.startswith(("Origin checking", "Referer checking")) and origin != seen,
        "has_no_cookie": has_no_cookie and not needs_tls,
        "needs_tls": needs_tls,
    }
    page = render(request, "gateway/form_refusal.html", facts, status=403)
    page["Cache-Control"] = "no-store"
    return page


def _origin_of(request: HttpRequest) -> str:
    """Return the address that the browser states as the form's origin; "" where it states none."""
    origin = request.headers.get("Origin", "") or request.headers.get("Referer", "")
    found = _ORIGIN.match(origin)
    return found[0] if found is not None else ""
