"""The administration uses the table of permissions: a page that is not in it is closed to all."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory

from tenants import permissions
from tenants.back_office.admin_base import AuditedModelAdmin
from tenants.models import ConfigVersion, User

pytestmark = pytest.mark.django_db

ASKED = {
    "view": "has_view_permission",
    "create": "has_add_permission",
    "update": "has_change_permission",
    "delete": "has_delete_permission",
}


def request_of(person):
    request = RequestFactory().get("/")
    request.user = person
    return request


def answers(page, request):
    return {verb for verb, asked in ASKED.items() if getattr(page, asked)(request)}


@pytest.fixture
def people():
    staff = User.objects.create_user("staff@example.com", is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    return {"super_admin": User.objects.create_superuser("root@example.com"), "staff": staff}


@pytest.mark.parametrize("role", ["super_admin", "staff"])
def test_every_page_answers_as_the_table_says(people, role):
    request = request_of(people[role])
    pages = {str(page.opts.model_name): page for page in admin.site._registry.values()}  # noqa: SLF001 - Django's documented name
    assert {name: answers(page, request) for name, page in pages.items()} == {
        name: set(permissions.TABLE[name][role]) - {"grant"} for name in pages
    }


def test_a_page_that_the_table_does_not_name_is_closed(people):
    page = AuditedModelAdmin(ConfigVersion, admin.site)
    assert answers(page, request_of(people["super_admin"])) == set()


def test_staff_need_the_permission_of_django_as_well(people):
    people["staff"].user_permissions.clear()
    request = request_of(User.objects.get(pk=people["staff"].pk))
    assert {name for name, page in admin.site._registry.items() if answers(page, request)} == set()  # noqa: SLF001 - as above


def test_the_index_shows_staff_without_permissions_no_page(people):
    people["staff"].user_permissions.clear()
    client = Client()
    client.force_login(people["staff"])
    assert "/admin/ui/tenants/tenant/" not in client.get("/admin/ui/").content.decode()
