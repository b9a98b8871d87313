"""Keys are revoked, and tenants suspended, after a confirmation; what is in force is not deleted."""

from __future__ import annotations

import html

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tenants.models import ApiKey, Tenant, User
from tests.support.clients.forms import said_after

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(acme):
    return ApiKey.objects.create(tenant=acme, name="App", prefix="app", secret_hmac="x" * 64)


def page_of(client, key):
    return client.get(reverse("admin:tenants_apikey_change", args=[key.pk]))


def test_a_key_is_revoked_on_its_own_page_after_a_question(client, key):
    url = reverse("admin:tenants_apikey_revoke_key", args=[key.pk])
    assert url in page_of(client, key).content.decode()
    for ask in (client.get(url), client.get(url, {"confirmed": "yes"}), client.post(url)):
        assert "Revoke App (sk-app) for good?" in html.unescape(ask.content.decode())
    assert ApiKey.objects.get().revoked_at is None

    done = client.post(url, {"confirmed": "yes"})

    assert said_after(client, done) == ["App (sk-app) is revoked: its calls are refused."]
    assert ApiKey.objects.get().revoked_at is not None
    page = page_of(client, key).content.decode()
    assert "This API key was revoked on" in page
    assert url not in page
    assert said_after(client, client.post(url, {"confirmed": "yes"})) == ["App (sk-app) was revoked before."]


def test_a_question_needs_the_token_of_its_form(key):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("other@example.com"))
    url = reverse("admin:tenants_apikey_revoke_key", args=[key.pk])
    assert strict.post(url, {"confirmed": "yes"}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


def test_several_keys_are_revoked_from_the_list_and_each_is_reported(client, acme):
    rows = [
        ApiKey.objects.create(tenant=acme, name=f"k{n}", prefix=f"k{n}", secret_hmac="x") for n in range(3)
    ]
    action = {"action": "revoke", "_selected_action": [row.pk for row in rows]}
    url = reverse("admin:tenants_apikey_changelist")
    assert "these 3 API keys for good" in client.post(url, action).content.decode()
    done = client.post(url, action | {"confirmed": "yes"})
    assert len([each for each in said_after(client, done) if "is revoked" in each]) == 3


def test_all_rows_of_all_pages_are_asked_about_and_done(client, acme):
    names = [f"k{n:03}" for n in range(120)]
    ApiKey.objects.bulk_create(ApiKey(tenant=acme, name=n, prefix=n, secret_hmac="x") for n in names)
    first = ApiKey.objects.first()
    assert first is not None
    url = reverse("admin:tenants_apikey_changelist")
    action = {"action": "revoke", "_selected_action": [first.pk], "select_across": "1"}
    page = client.post(url, action).content.decode()
    assert "these 120 API keys for good" in page
    assert "and 20 more." in page
    assert page.count('name="_selected_action"') == 1, "a form of any length fits"
    assert 'name="select_across" value="1"' in page
    done = client.post(url, action | {"confirmed": "yes"})
    assert said_after(client, done) == ["120 API keys are revoked: their calls are refused."]
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_a_key_in_force_is_not_deleted_and_a_revoked_one_may_be(client, key):
    delete = reverse("admin:tenants_apikey_delete", args=[key.pk])
    assert delete not in page_of(client, key).content.decode()
    assert said_after(client, client.post(delete, {"post": "yes"})) == [
        "App (sk-app) is in force: revoke it first."
    ]
    chosen = {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"}
    client.post(reverse("admin:tenants_apikey_changelist"), chosen)
    assert ApiKey.objects.count() == 1

    client.post(reverse("admin:tenants_apikey_revoke_key", args=[key.pk]), {"confirmed": "yes"})
    assert delete in page_of(client, key).content.decode()
    client.post(delete, {"post": "yes"})
    assert not ApiKey.objects.exists()


def test_suspending_asks_for_confirmation_and_reports(client, acme):
    action = {"action": "suspend", "_selected_action": [acme.pk]}
    url = reverse("admin:tenants_tenant_changelist")
    assert "Suspend this tenant?" in client.post(url, action).content.decode()
    assert Tenant.objects.get().status == "active"
    assert said_after(client, client.post(url, action | {"confirmed": "yes"})) == [
        "acme is suspended: its keys are refused."
    ]
    resumed = client.post(url, action | {"action": "resume"})
    assert said_after(client, resumed) == ["acme is active: its keys work again."]


def test_a_user_without_permission_to_change_keys_may_not_revoke_one(key):
    person = User.objects.create_user("reader@example.com", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    reader = Client()
    reader.force_login(person)
    url = reverse("admin:tenants_apikey_revoke_key", args=[key.pk])
    assert url not in page_of(reader, key).content.decode()
    assert reader.post(url, {"confirmed": "yes"}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None
