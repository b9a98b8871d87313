"""The few pages of the ordinary site that belong to no app: the front page and /metrics."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django_prometheus.exports import ExportToDjangoView

from gateway.health import readiness


def home(request: HttpRequest) -> HttpResponse:
    """The state of the gateway and where to go from here. Names no tenant, no model and no reason."""
    status, body = readiness()
    return render(request, "gateway/home.html", {"is_ready": status == 200, "checks": body.get("checks", {})})  # noqa: PLR2004


def readme(_: HttpRequest) -> HttpResponse:
    """The README as text: readable everywhere, and it needs no renderer."""
    text = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for loopback, `observability.metrics_allow` and holders of the token."""
    observability = settings.GATEWAY.observability
    if not observability.enable_metrics:
        return HttpResponse("Metrics are switched off.\n", status=404, content_type="text/plain")
    if not (_is_allowed(request) or _has_token(request)):
        return HttpResponse("Not from this address.\n", status=403, content_type="text/plain")
    response: HttpResponse = ExportToDjangoView(request)
    return response


def _is_allowed(request: HttpRequest) -> bool:
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    allowed = settings.GATEWAY.observability.metrics_allow
    return address.is_loopback or any(address in ip_network(network, strict=False) for network in allowed)


def _has_token(request: HttpRequest) -> bool:
    token = settings.GATEWAY.observability.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(token) and constant_time_compare(given, token)
