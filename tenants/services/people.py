"""Writes to people, their groups and their memberships: each function is one transaction with one audit row. Blocking.

Whether the author may grant powers is not decided here (tenants/permissions.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from django.db import transaction

from tenants.audit import Actor, facts_of
from tenants.models import Membership, User
from tenants.services import rows

if TYPE_CHECKING:
    from django.contrib.auth.models import Group


class NewPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person to add. Without a password a local sign-in as them is impossible."""

    email: str
    name: str = ""
    password: str = ""
    is_super_admin: bool = False


def create_person(new: NewPerson, *, actor: Actor) -> User:
    """Add a person; a super admin may sign in to the administration. Raises IntegrityError for an address in use."""
    person = User(
        email=new.email.strip().lower(),
        name=new.name,
        is_staff=new.is_super_admin,
        is_superuser=new.is_super_admin,
    )
    person.set_password(new.password or None)
    rows.save(person, actor=actor)
    return person


def save_person(person: User, *, actor: Actor) -> None:
    """Add a person, or change them as the row says; `set_password` changes a password. Raises IntegrityError."""
    rows.save(person, actor=actor, kept=("password", "last_login"))


@transaction.atomic
def set_password(person: User, password: str | None, *, actor: Actor) -> None:
    """Replace a password; with None a local sign-in is impossible. The audit row has no trace of either."""
    before = facts_of(rows.locked(User, person.pk))
    person.set_password(password)
    rows.write(person, "password", actor=actor, before=before, fields=["password"])


def delete_person(person: User, *, actor: Actor) -> None:
    """Delete a person with their memberships; the keys they made stay."""
    rows.delete(person, actor=actor)


def save_group(group: Group, *, actor: Actor) -> None:
    """Add a group, or rename it. Raises IntegrityError."""
    rows.save(group, actor=actor)


def delete_group(group: Group, *, actor: Actor) -> None:
    """Delete a group: its members lose its permissions."""
    rows.delete(group, actor=actor)


def save_membership(membership: Membership, *, actor: Actor) -> None:
    """Make a person a member of a tenant, or change their role. Raises IntegrityError for a second membership."""
    rows.save(membership, actor=actor)


def delete_membership(membership: Membership, *, actor: Actor) -> None:
    """End a membership; the person stays."""
    rows.delete(membership, actor=actor)
