"""The writers of tenants, people and keys; of all rows of configuration the primitive is tenants/services/rows.py."""

from __future__ import annotations

from tenants.services.keys import (
    Issued,
    NewKey,
    create_key,
    delete_key,
    issue_key,
    revoke_key,
    rotate_key,
    save_key,
    save_key_of_file,
    secret_columns,
    write_key_use,
)
from tenants.services.people import (
    NewPerson,
    create_person,
    delete_group,
    delete_membership,
    delete_person,
    save_group,
    save_membership,
    save_person,
    set_password,
)
from tenants.services.tenants import (
    create_tenant,
    delete_tenant,
    resume_tenant,
    save_tenant,
    suspend_tenant,
)

__all__ = [
    "Issued",
    "NewKey",
    "NewPerson",
    "create_key",
    "create_person",
    "create_tenant",
    "delete_group",
    "delete_key",
    "delete_membership",
    "delete_person",
    "delete_tenant",
    "issue_key",
    "resume_tenant",
    "revoke_key",
    "rotate_key",
    "save_group",
    "save_key",
    "save_key_of_file",
    "save_membership",
    "save_person",
    "save_tenant",
    "secret_columns",
    "set_password",
    "suspend_tenant",
    "write_key_use",
]
