"""The one way to write a row of configuration: the row, its audit row and the version, in one transaction. Blocking.

Only services call it: they add the rules of their rows (docs/decisions/0021-one-write-path.md). The version is raised
before a row is locked or written: so all writers take that lock first, and no two of them wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import transaction

from tenants.audit import Actor, facts_of, record
from tenants.config_version import bump_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

Row = TypeVar("Row", bound="Model")
Facts = dict[str, Any]  # the columns of a row as JSON values, without secrets (tenants/audit.py)


@transaction.atomic
def write(
    row: Model, action: str, *, actor: Actor, before: Facts | None, fields: Iterable[str] | None = None
) -> None:
    """Save a row, or only these fields of it. `before` is None for a new row. Raises IntegrityError."""
    bump_version()
    row.save(update_fields=fields)
    record(actor, action, row, before=before, after=facts_of(row))


@transaction.atomic
def save(row: Model, *, actor: Actor, is_checked: bool = False, kept: Iterable[str] = ()) -> None:
    """Create or update a row with all its columns; what it was before is read from the database.

    `kept`: columns that other services write. An update leaves them as they are stored, also if they have changed since
    the row was read. Raises IntegrityError; with `is_checked` ValidationError instead, for what Django's `full_clean`
    finds; the model's DoesNotExist for a row that was deleted since it was read.
    """
    if is_checked:
        row.full_clean()
    bump_version()
    stored = _stored(row)
    if stored is None:
        if not row._state.adding:  # noqa: SLF001 - Django's documented name
            raise type(row).DoesNotExist(f"{row} was deleted")  # type: ignore[attr-defined]  # of every model
        write(row, "create", actor=actor, before=None)
        return
    for name in kept:
        setattr(row, name, getattr(stored, name))
    write(row, "update", actor=actor, before=facts_of(stored))


@transaction.atomic
def delete(row: Model, *, actor: Actor) -> None:
    """Delete a row, and the rows that cannot be without it: those leave no audit rows of their own."""
    bump_version()
    record(actor, "delete", row, before=facts_of(row), after=None)
    row.delete()


@transaction.atomic
def write_tombstone(row: Model, *, actor: Actor, before: Facts) -> None:
    """Save a row that people have deleted and that stays, so that the file does not restore it."""
    bump_version()
    row.save()
    record(actor, "delete", row, before=before, after=None)


def locked(model: type[Row], pk: int) -> Row:
    """Return a row that the caller will change in its transaction. Raises the model's DoesNotExist."""
    bump_version()
    return model._default_manager.select_for_update().get(pk=pk)  # noqa: SLF001 - Django's documented name


def stored_facts(row: Model) -> Facts | None:
    """Lock the row in the caller's transaction and return its columns as they are stored; None: it is new.

    The caller has raised the version before.
    """
    stored = _stored(row)
    return None if stored is None else facts_of(stored)


def _stored(row: Row) -> Row | None:
    if row.pk is None:
        return None
    rows = type(row)._default_manager.select_for_update()  # noqa: SLF001 - Django's documented name
    return rows.filter(pk=row.pk).first()
