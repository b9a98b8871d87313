"""The few pages of the ordinary site that belong to no app: the front page and /metrics."""

from __future__ import annotations

import sys

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import CONTENT_TYPE_LATEST

from gateway import connections
from gateway.health import readiness
from gateway.metrics_sum import rendered
from tenants.addresses import is_inside

RETRY_AFTER_S = 5
LOOPBACK = ("127.0.0.0/8", "::1/128")


def home(request: HttpRequest) -> HttpResponse:
    """The state of the gateway and where to go from here. Names no tenant, no model and no reason."""
    status, body = readiness()
    address = settings.GATEWAY.server.public_url.rstrip("/") or f"{request.scheme}://{request.get_host()}"
    facts = {"is_ready": status == 200, "checks": body.get("checks", {}), "address": address}  # noqa: PLR2004
    return render(request, "gateway/home.html", facts)


def failed(request: HttpRequest) -> HttpResponse:
    """Django's page for what a view raised (`handler500`): 503 where the database is why."""
    is_database = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status = 503 if is_database else 500
    page = render(request, "gateway/failure.html", {"is_database": is_database}, status=status)
    page["Cache-Control"] = "no-store"
    if is_database:
        page["Retry-After"] = RETRY_AFTER_S
    return page


def readme(_: HttpRequest) -> HttpResponse:
    """The README as text: readable everywhere, and it needs no renderer."""
    text = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text of all workers together: for loopback, `observability.metrics_allow` and holders of the token."""
    observability = settings.GATEWAY.observability
    if not observability.enable_metrics:
        return HttpResponse("Metrics are switched off.\n", status=404, content_type="text/plain")
    if not (_is_allowed(request) or _has_token(request)):
        return HttpResponse("Not from this address.\n", status=403, content_type="text/plain")
    link = connections.live().link if connections.is_open() else None
    if link is None:
        response: HttpResponse = ExportToDjangoView(request)
        return response
    try:
        text = rendered(async_to_sync(link.totals)())
    except TimeoutError:
        return HttpResponse("The supervisor does not answer.\n", status=503, content_type="text/plain")
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _is_allowed(request: HttpRequest) -> bool:
    address = request.META.get("REMOTE_ADDR", "")
    if is_inside(address, settings.GATEWAY.observability.metrics_allow):
        return True
    # What a proxy on this machine hands on does not come from this machine.
    is_handed_on = "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META
    return not is_handed_on and is_inside(address, LOOPBACK)


def _has_token(request: HttpRequest) -> bool:
    token = settings.GATEWAY.observability.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(token) and constant_time_compare(given, token)
