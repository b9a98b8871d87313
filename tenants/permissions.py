"""Who may do what: a table of roles, verbs and resources. What it does not name is denied. Pure.

A resource is named as in the audit trail. `super_admin` and `staff` are roles in the whole gateway. The others are
roles in one tenant: they count for what belongs to that tenant, and the caller checks what does. For staff the table is
the most that can be granted: the administration asks for Django's permission too.
"""

from __future__ import annotations

from typing import Final, Protocol

SUPER_ADMIN, STAFF = "super_admin", "staff"
OWNER, ADMIN, VIEWER, USER = "owner", "admin", "viewer", "user"  # of a tenant (tenants/models.py)
ROLES = (SUPER_ADMIN, STAFF, OWNER, ADMIN, VIEWER, USER)

VIEW, CREATE, UPDATE, DELETE = "view", "create", "update", "delete"
GRANT = "grant"  # of a person: the right to sign in to the administration, and more of it
VERBS = (VIEW, CREATE, UPDATE, DELETE, GRANT)

_NOTHING: Final = frozenset[str]()
_VIEW = frozenset({VIEW})
_ADD = frozenset({VIEW, CREATE})
_WRITE = frozenset({VIEW, CREATE, UPDATE, DELETE})
_SECRET = frozenset({CREATE, UPDATE, DELETE})  # stored to be used, never to be shown
_MEMBERS = dict.fromkeys((OWNER, ADMIN, VIEWER), _VIEW)
_SITE = {SUPER_ADMIN: _WRITE, STAFF: _WRITE}
_SITE_READS = {SUPER_ADMIN: _VIEW, STAFF: _VIEW}

TABLE: Final[dict[str, dict[str, frozenset[str]]]] = {
    # people and keys
    "tenant": {
        **_SITE,
        OWNER: frozenset({VIEW, CREATE, UPDATE}),
        ADMIN: _ADD,
        VIEWER: _VIEW,
        USER: _VIEW,
    },
    "membership": {**_SITE, OWNER: _WRITE, ADMIN: _VIEW},
    "user": {SUPER_ADMIN: _WRITE | {GRANT}, STAFF: _WRITE, OWNER: _ADD, ADMIN: _ADD},
    "administrator": {SUPER_ADMIN: _WRITE | {GRANT}, STAFF: _VIEW},  # another person who may sign in there
    "group": {SUPER_ADMIN: _WRITE, STAFF: _VIEW},
    "apikey": {**_SITE, OWNER: _WRITE, ADMIN: _WRITE, VIEWER: _VIEW},
    # limits and budgets
    "ratelimit": {**_SITE, **_MEMBERS, OWNER: _WRITE},
    "budget": {**_SITE, **_MEMBERS, OWNER: _WRITE},
    "spendwindow": {**_SITE_READS, **_MEMBERS},
    # the catalog
    "model": {**_SITE, **_MEMBERS, USER: _VIEW},
    "deployment": _SITE,
    "credential": {SUPER_ADMIN: _SECRET, STAFF: _SECRET},
    "price": {SUPER_ADMIN: _ADD, STAFF: _ADD, **_MEMBERS, USER: _VIEW},
    "healthprobe": {**_SITE_READS, **_MEMBERS},
    # what calls and changes leave
    "usageevent": {**_SITE_READS, **_MEMBERS},
    "loggedrequest": {**_SITE_READS, **_MEMBERS},
    "auditevent": {**_SITE_READS, **_MEMBERS},
}


class Person(Protocol):
    """A person as the site knows them, signed in or not."""

    @property
    def is_active(self) -> bool: ...
    @property
    def is_staff(self) -> bool: ...
    @property
    def is_superuser(self) -> bool: ...


def may(role: str, verb: str, resource: str) -> bool:
    """Return whether a role may do this; False for a role, a verb or a resource that the table does not name."""
    return verb in TABLE.get(resource, {}).get(role, _NOTHING)


def site_role(person: Person) -> str:
    """Return a person's role in the whole gateway; "" for none, which may do nothing."""
    if not person.is_active:
        return ""
    if person.is_superuser:
        return SUPER_ADMIN
    return STAFF if person.is_staff else ""
