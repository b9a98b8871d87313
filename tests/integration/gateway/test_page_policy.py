"""Pages forbid inline and evaluated code, and have none."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from catalog.sync import sync_catalog
from gateway.config import Config
from tests.support.clients.forms import NOW, ROW

pytestmark = pytest.mark.django_db

PAGES = (
    "/admin/ui/login/",
    "/admin/ui/",
    "/admin/ui/tenants/apikey/",
    "/admin/ui/tenants/apikey/add/",
    "/admin/ui/tenants/user/add/",
    "/admin/ui/catalog/model/",
    "/admin/ui/catalog/model/add/",
    "/admin/ui/catalog/deployment/",
    "/admin/ui/metering/usageevent/",
    "/admin/ui/metering/usageevent/experiments/",
    "/v1/docs",
    "/no/such/page",
)
INLINE = re.compile(
    r"<script(?![^>]*\ssrc=)(?![^>]*application/json)[^>]*>|\son(?:click|change|submit|load|error)=|javascript:|"
    r"<style(?! id=\"unfold-theme-colors\")|\sstyle=\"",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_forbids_what_is_inline_and_needs_none(client, path):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}), now=NOW)

    page = client.get(path, follow=path == "/admin/ui/login/")

    policy = page["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert INLINE.findall(page.content.decode()) == []


def test_the_colors_of_the_theme_are_named_by_their_hash(client):
    page = client.get("/admin/ui/")

    [style] = re.findall(rb'<style id="unfold-theme-colors">(.*?)</style>', page.content, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert f"style-src 'self' 'sha256-{digest}';" in page["Content-Security-Policy"]


def test_the_script_that_reads_expressions_comes_before_alpine_runs(client):
    text = client.get("/admin/ui/").content.decode()
    scripts = re.findall(r'<script src="([^"]+)"( defer)?', text)
    names = [name for name, _ in scripts]

    assert dict(scripts)["/static/gateway/expressions.js"] == ""
    assert dict(scripts)["/static/unfold/js/alpine/alpine.js"] == " defer"
    assert names.index("/static/gateway/expressions.js") > names.index("/static/unfold/js/htmx/htmx.js")
