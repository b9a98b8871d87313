"""URLs of the lean handler: /v1 and nothing else."""

from __future__ import annotations

from django.urls import path

from gateway.api import patterns

urlpatterns = [path("v1/", patterns)]
