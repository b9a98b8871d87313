"""A NUL in an address or a form is a mistake of the client in both databases, and no failure of the gateway."""

from __future__ import annotations

import pytest
from django.db import DataError
from django.http import HttpResponse

from gateway.site.security_headers import SecurityHeadersMiddleware

pytestmark = pytest.mark.django_db

CALLS = "/admin/ui/metering/usageevent/"


@pytest.mark.parametrize(
    "path",
    [
        f"{CALLS}?id__exact=%00",
        f"{CALLS}?id__in=%00,x",
        f"{CALLS}?q=a%00b",
        f"{CALLS}?%00=x",
        f"{CALLS}%00/change/",
        f"{CALLS}_00/change/?_changelist_filters=id%3D%00",
        "/admin/ui/tenants/tenant/%00/change/",
        "/admin/ui/%00/",
        "/admin/ui/login/?next=%00",
    ],
)
def test_an_address_with_a_nul_is_400(client, path):
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "error",
    [
        DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        ValueError("A string literal cannot contain NUL (0x00) characters."),
    ],
)
def test_a_form_with_a_nul_is_400(rf, error):
    answer = SecurityHeadersMiddleware(lambda _: HttpResponse()).process_exception(rf.post("/"), error)
    assert answer is not None
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "data", [{"_selected_action": "\0", "action": "delete_selected"}, {"q": "\0"}, {"\0": "x"}]
)
def test_nul_in_posted_data_is_no_server_error(client, data):
    assert client.post(CALLS, data).status_code < 500


def test_other_errors_of_pages_stay_what_they_are(rf):
    page = SecurityHeadersMiddleware(lambda _: HttpResponse())
    assert page.process_exception(rf.get("/"), ValueError("other")) is None
    assert page.process_exception(rf.get("/"), DataError("integer out of range")) is None
