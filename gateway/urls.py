"""URLs of the ordinary site. /v1 itself is served by gateway/api/handler.py; its API page lives here."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from gateway.api import patterns
from gateway.site.views import home, metrics, readme
from tenants.sign_in.login_throttle import throttled

handler403 = "gateway.site.views.forbidden"
handler404 = "gateway.site.views.missing"
handler500 = "gateway.site.views.failed"

urlpatterns = [
    path("", home, name="home"),
    path("readme", readme, name="readme"),
    path("favicon.ico", RedirectView.as_view(url="/static/gateway/favicon.svg")),
    path("metrics", metrics, name="metrics"),
    path("admin/", RedirectView.as_view(url="/admin/ui/"), name="admin"),
    path("admin/ui/login/", throttled(admin.site.login)),
    path("admin/ui/", admin.site.urls),
    path("v1/", patterns),
]
