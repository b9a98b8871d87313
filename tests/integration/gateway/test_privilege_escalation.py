"""Only superusers grant rights: no model permission, form, action or inline gives a user more of them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from tenants.models import AuditEvent, User
from tests.support.clients.forms import NO_INLINES

pytestmark = pytest.mark.django_db

PASSWORD = "a good phrase 1"


def person(email, *codenames, **fields) -> User:
    made = User.objects.create_user(email, **fields)
    made.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return made


@pytest.fixture
def helpdesk() -> User:
    """A user with every permission that Django has."""
    names = Permission.objects.values_list("codename", flat=True)
    return person("helpdesk@example.com", *names, is_staff=True)


@pytest.fixture
def client(helpdesk) -> Client:
    client = Client()
    client.force_login(helpdesk)
    return client


def facts(user: User) -> tuple[object, ...]:
    now = User.objects.get(pk=user.pk)
    groups, permissions = (now.groups.count(), now.user_permissions.count())
    return (now.email, now.password, now.is_active, now.is_staff, now.is_superuser, groups, permissions)


def fields_of(user: User, **changes) -> dict[str, object]:
    return NO_INLINES | {"email": user.email, "name": "Changed", "is_active": "on"} | changes


POWERFUL = [
    {"is_superuser": "on"},
    {"is_staff": "on", "is_superuser": "on"},
    {"is_staff": "on"},
    {"is_superuser": "1", "is_staff": "True"},
]


@pytest.mark.parametrize("power", POWERFUL)
@pytest.mark.parametrize("whom", ["himself", "another person"])
def test_a_crafted_form_sets_no_flag(client, helpdesk, power, whom):
    user = helpdesk if whom == "himself" else person("bob@example.com")
    before = facts(user)

    client.post(reverse("admin:tenants_user_change", args=[user.pk]), fields_of(user, **power))

    assert facts(user)[3:] == before[3:]


@pytest.mark.parametrize("whom", ["himself", "another person"])
def test_a_crafted_form_grants_no_group_or_permission(client, helpdesk, whom):
    user = helpdesk if whom == "himself" else person("bob@example.com")
    group = Group.objects.create(name="mighty")
    before = facts(user)
    all_of_them = list(Permission.objects.values_list("pk", flat=True))

    for power in ({"groups": [group.pk]}, {"user_permissions": all_of_them[:3]}):
        client.post(reverse("admin:tenants_user_change", args=[user.pk]), fields_of(user, **power))

    assert facts(user)[3:] == before[3:]


def test_an_added_person_has_no_powers_whatever_is_sent(client):
    fields = {
        "email": "new@example.com",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [Group.objects.create(name="mighty").pk],
    }

    client.post(reverse("admin:tenants_user_add"), NO_INLINES | fields)

    made = User.objects.get(email="new@example.com")
    assert facts(made)[3:] == (False, False, 0, 0)


@pytest.mark.parametrize(
    "kind", [{"is_staff": True}, {"is_superuser": True, "is_staff": True}, {"is_superuser": True}]
)
@pytest.mark.parametrize("change", [{"email": "mine@example.com"}, {"is_active": ""}, {"is_superuser": ""}])
def test_another_member_of_staff_is_not_touched(client, kind, change):
    boss = person("boss@example.com", **kind)
    before = facts(boss)

    answer = client.post(reverse("admin:tenants_user_change", args=[boss.pk]), fields_of(boss, **change))

    assert answer.status_code == 403
    assert facts(boss) == before


@pytest.mark.parametrize("kind", [{"is_staff": True}, {"is_superuser": True}])
def test_the_password_of_another_member_of_staff_is_not_touched(client, kind):
    boss = person("boss@example.com", **kind)
    before = facts(boss)
    page = reverse("admin:auth_user_password_change", args=[boss.pk])

    for new in (
        {"usable_password": "true", "password1": "a good phrase 2", "password2": "a good phrase 2"},
        {"usable_password": "false", "unset-password": "1"},
    ):
        assert client.post(page, new).status_code == 403
    assert client.get(page).status_code == 403
    assert facts(boss) == before


@pytest.mark.parametrize("how", ["page", "action", "action across"])
def test_another_member_of_staff_is_not_deleted(client, how):
    boss = person("boss@example.com", is_staff=True)
    bob = person("bob@example.com")
    action = {"action": "delete_selected", "_selected_action": [boss.pk, bob.pk], "post": "yes"}
    if how == "page":
        answer = client.post(reverse("admin:tenants_user_delete", args=[boss.pk]), {"post": "yes"})
    else:
        across = {"select_across": "1"} if how == "action across" else {}
        answer = client.post(reverse("admin:tenants_user_changelist"), action | across)

    assert answer.status_code == 403
    assert User.objects.filter(email__in=["boss@example.com", "bob@example.com"]).count() == 2


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_groups_are_for_superusers(client, helpdesk, page):
    group = Group.objects.create(name="desk")
    helpdesk.groups.add(group)
    fields = {"name": "desk", "permissions": [Permission.objects.first().pk], "post": "yes"}  # type: ignore[union-attr]

    arguments = [] if page == "add" else [group.pk]
    answer = client.post(reverse(f"admin:auth_group_{page}", args=arguments), fields)

    assert answer.status_code == 403
    assert [(each.name, each.permissions.count()) for each in Group.objects.all()] == [("desk", 0)]


def test_the_helpdesk_may_change_users_that_are_not_staff(client):
    bob = person("bob@example.com")

    answer = client.post(
        reverse("admin:tenants_user_change", args=[bob.pk]), fields_of(bob, email="robert@example.com")
    )
    new = {"usable_password": "true", "password1": "a good phrase 2", "password2": "a good phrase 2"}
    client.post(reverse("admin:auth_user_password_change", args=[bob.pk]), new)

    now = User.objects.get(pk=bob.pk)
    assert (answer.status_code, now.email, now.name) == (302, "robert@example.com", "Changed")
    assert now.check_password("a good phrase 2")


def test_every_user_may_change_their_own_password_and_name(client, helpdesk):
    client.post(reverse("admin:tenants_user_change", args=[helpdesk.pk]), fields_of(helpdesk))

    assert User.objects.get(pk=helpdesk.pk).name == "Changed"


def test_a_superuser_makes_staff_and_it_is_audited():
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com"))
    bob = person("bob@example.com")
    group = Group.objects.create(name="desk")
    fields = fields_of(bob, is_staff="on", groups=[group.pk])

    client.post(reverse("admin:tenants_user_change", args=[bob.pk]), fields)

    assert facts(bob)[3:] == (True, False, 1, 0)
    assert AuditEvent.objects.get(resource="user").after["is_staff"] is True  # type: ignore[index]
