"""URLs of the lean handler: /v1 and nothing else. Ninja's own pages are the ordinary site's (gateway/asgi.py)."""

from __future__ import annotations

from django.urls import path

from gateway.api import patterns

NINJAS_PAGES = frozenset({"api-root", "openapi-json", "openapi-view"})

operations, app, namespace = patterns
ours = [found for found in operations if getattr(found, "name", "") not in NINJAS_PAGES]

urlpatterns = [path("v1/", (ours, app, namespace))]
