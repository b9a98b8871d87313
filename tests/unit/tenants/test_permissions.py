"""The table of permissions, cell by cell: what is not written here is denied."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tenants.models import Role
from tenants.permissions import ROLES, TABLE, VERBS, may, site_role

# v: view, c: create, u: update, d: delete, g: grant; the columns are the roles.
EXPECTED = """
                super_admin  staff  owner  admin  viewer  user
tenant          vcud         vcud   vcu    vc     v       v
membership      vcud         vcud   vcud   v      -       -
user            vcudg        vcud   vc     vc     -       -
administrator   vcudg        v      -      -      -       -
group           vcud         v      -      -      -       -
apikey          vcud         vcud   vcud   vcud   v       -
ratelimit       vcud         vcud   vcud   v      v       -
budget          vcud         vcud   vcud   v      v       -
spendwindow     v            v      v      v      v       -
model           vcud         vcud   v      v      v       v
deployment      vcud         vcud   -      -      -       -
credential      cud          cud    -      -      -       -
price           vc           vc     v      v      v       v
healthprobe     v            v      v      v      v       -
usageevent      v            v      v      v      v       -
loggedrequest   v            v      v      v      v       -
auditevent      v            v      v      v      v       -
"""
COLUMNS, *LINES = (line.split() for line in EXPECTED.strip().splitlines())
CELLS = [
    (role, verb, resource, verb[0] in letters)
    for resource, *row in LINES
    for role, letters in zip(COLUMNS, row, strict=True)
    for verb in VERBS
]


@pytest.mark.parametrize(("role", "verb", "resource", "is_allowed"), CELLS)
def test_each_cell_of_the_table(role, verb, resource, is_allowed):
    assert may(role, verb, resource) is is_allowed


def test_no_cell_is_missing_here():
    assert {(role, verb, resource) for role, verb, resource, _ in CELLS} == {
        (role, verb, resource) for role in ROLES for verb in VERBS for resource in TABLE
    }


@pytest.mark.parametrize(
    ("role", "verb", "resource"),
    [
        ("", "view", "tenant"),
        ("root", "view", "tenant"),
        ("super_admin", "drop", "tenant"),
        ("super_admin", "", "tenant"),
        ("super_admin", "view", "secret"),
        ("super_admin", "view", ""),
    ],
)
def test_what_the_table_does_not_name_is_denied(role, verb, resource):
    assert not may(role, verb, resource)


def test_the_roles_of_a_tenant_are_those_of_its_members():
    assert set(ROLES) == {"super_admin", "staff", *Role.values}


@pytest.mark.parametrize(
    ("flags", "role"),
    [
        ("active superuser staff", "super_admin"),
        ("active superuser", "super_admin"),
        ("active staff", "staff"),
        ("active", ""),
        ("superuser staff", ""),
        ("staff", ""),
        ("", ""),
    ],
)
def test_a_person_who_is_not_active_has_no_role(flags, role):
    names = ("active", "staff", "superuser")
    assert site_role(SimpleNamespace(**{f"is_{name}": name in flags.split() for name in names})) == role
