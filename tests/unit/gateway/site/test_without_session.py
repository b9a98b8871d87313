"""Public pages read no session."""

from __future__ import annotations

import pytest

from gateway.site.without_session import without_session


@pytest.mark.parametrize("path", ["/", "/readme", "/metrics", "/favicon.ico", "/static/gateway/home.css"])
def test_public_pages_have_no_cookies(path):
    scope = {"path": path, "headers": [(b"host", b"x"), (b"cookie", b"sessionid=1")]}
    assert without_session(scope)["headers"] == [(b"host", b"x")]
    assert len(scope["headers"]) == 2


@pytest.mark.parametrize("path", ["/admin/ui/", "/accounts/login/", "/v1/docs"])
def test_other_pages_keep_them(path):
    scope = {"path": path, "headers": [(b"cookie", b"sessionid=1")]}
    assert without_session(scope) is scope
