"""URLs of the lean handler: /v1 only. Ninja's own pages belong to the ordinary site (gateway/asgi.py)."""

from __future__ import annotations

from django.urls import path

from gateway.api import patterns

NINJAS_PAGES = frozenset({"api-root", "openapi-json", "openapi-view"})

operations, app, namespace = patterns
ours = [found for found in operations if getattr(found, "name", "") not in NINJAS_PAGES]

urlpatterns = [path("v1/", (ours, app, namespace))]
