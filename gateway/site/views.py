"""The few pages of the ordinary site that belong to no app: the front page and /metrics."""

from __future__ import annotations

import sys

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import page_not_found
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import CONTENT_TYPE_LATEST

from gateway import runtime
from gateway.http.errors import response_for
from gateway.http.exceptions import NotFound
from gateway.observability.metrics_aggregation import rendered
from gateway.site.health import readiness
from gateway.site.internal_access import may_see

RETRY_AFTER_S = 5
REFUSED = (
    "Not from this address, or not under this host name.\n"
    "Name the address in observability.metrics_allow (also 127.0.0.1 in production and behind a proxy), "
    "or send observability.metrics_token as a bearer token.\n"
)


def home(request: HttpRequest) -> HttpResponse:
    """The state of the gateway and links to other pages. Only internal clients see the text of the first problem.

    Strangers see no tenant's name, no model's name and no reason, as at /readyz.
    """
    _, body = readiness()
    address = _address_of_v1(request)
    problems, silent = body.get("problems", ()), _failed_models()
    facts = {
        "is_ready": body["status"] == "ready",
        "is_empty": body["status"] == "no_model",
        "answering": body.get("checks", {}).get("models", 0) - silent,
        "silent": silent,
        "troubles": len(problems),
        "first_trouble": _in_words(problems[0]) if problems and _is_insider(request) else "",
        "model": _first_model(),
        "address": address,
        "api": "" if settings.GATEWAY.server.admin_bind is None else address,
    }
    page = render(request, "gateway/home.html", facts)
    page["Cache-Control"] = "no-store"  # internal details must not be cached
    return page


def _failed_models() -> int:
    """Return how many of the usable models have no deployment whose last probe was good."""
    if not runtime.is_open():
        return 0
    live = runtime.current()
    failed = {(problem.alias, problem.deployment) for problem in live.failed_probes}
    every = [model for model in live.snapshot.serving.values() if model.deployments]
    return sum(
        all((model.alias, each.target.name) in failed for each in model.deployments) for model in every
    )


def _in_words(problem: dict[str, str]) -> str:
    name = f"{problem['alias']}/{problem['deployment']}" if problem["deployment"] else problem["alias"]
    return f"{name}: {problem['reason']}"


def _is_insider(request: HttpRequest) -> bool:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return may_see(settings.GATEWAY, request.META.get("REMOTE_ADDR", ""), headers)


def _first_model() -> str:
    """Return an alias for the example, if it is the demo's: model names are only for holders of a key."""
    models = runtime.current().snapshot.serving if runtime.is_open() else []
    return "demo-chat" if "demo-chat" in models else "YOUR-MODEL"


def _address_of_v1(request: HttpRequest) -> str:
    """Return where this visitor reaches /v1: at the public address, beside this page, or on its own listener."""
    server = settings.GATEWAY.server
    if server.public_url or server.admin_bind is None:
        return server.public_url.rstrip("/") or f"{request.scheme}://{request.get_host()}"
    host = request.get_host()
    name = host[: host.rfind("]") + 1] or host.partition(":")[0]
    return f"{request.scheme}://{name}:{server.bind[1]}"


def failed(request: HttpRequest) -> HttpResponse:
    """Django's page for what a view raised (`handler500`): 503 if the database is the cause."""
    is_database = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status = 503 if is_database else 500
    page = render(request, "gateway/failure.html", {"is_database": is_database}, status=status)
    page["Cache-Control"] = "no-store"
    if is_database:
        page["Retry-After"] = RETRY_AFTER_S
    return page


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """Django's page for a signed-in person without the permission (`handler403`)."""
    words = "Your account may not open this page or do this. Ask a superuser for the permission."
    facts = {"title": "You may not do this", "words": words}
    page = render(request, "gateway/refused.html", facts, status=403)
    page["Cache-Control"] = "no-store"
    return page


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's page for an unknown path (`handler404`); a program that did not request HTML gets JSON."""
    if "text/html" in request.headers.get("Accept", ""):
        return page_not_found(request, exception)
    answer = response_for(NotFound(request.path))
    return HttpResponse(answer.body, status=answer.status_code, content_type="application/json")


def readme(_: HttpRequest) -> HttpResponse:
    """The README as text: readable everywhere, and it needs no renderer."""
    text = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text of all workers together: for loopback, `observability.metrics_allow` and holders of the token."""
    observability = settings.GATEWAY.observability
    if not observability.enable_metrics:
        return HttpResponse("Metrics are switched off.\n", status=404, content_type="text/plain")
    if not _is_insider(request):
        return HttpResponse(REFUSED, status=403, content_type="text/plain")
    link = runtime.current().supervisor if runtime.is_open() else None
    if link is None:
        response: HttpResponse = ExportToDjangoView(request)
        return response
    try:
        text = rendered(async_to_sync(link.totals)())
    except TimeoutError:
        return HttpResponse("The supervisor does not answer.\n", status=503, content_type="text/plain")
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
