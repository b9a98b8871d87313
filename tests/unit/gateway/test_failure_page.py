"""The page for people when another page could not be made."""

from __future__ import annotations

import pytest
from django.db import InterfaceError, OperationalError

from gateway.site.views import failed


def page_after(error, rf):
    try:
        raise error
    except type(error):
        return failed(rf.get("/admin/ui/"))


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_database_that_is_away_is_said_to_be(rf, error):
    page = page_after(error, rf)
    assert page.status_code == 503
    assert page["Retry-After"]
    assert "The database does not answer" in page.content.decode()


def test_a_defect_is_owned_and_not_explained(rf):
    page = page_after(ZeroDivisionError("secret of a variable"), rf)
    assert page.status_code == 500
    assert "Something went wrong" in page.content.decode()
    assert "secret" not in page.content.decode()
