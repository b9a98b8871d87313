"""The error messages of commands for database failures, with a matching hint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError

_NO_TABLE = ("no such table", "no such column", "does not exist")


@contextmanager
def database_errors_as_text() -> Iterator[None]:
    """End a command if the database fails, with the error's text and a hint. Raises CommandError."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(error_text(error)) from None


def error_text(error: DatabaseError | InterfaceError) -> str:
    """Return the error in one line and what to do about it."""
    # PostgreSQL adds the query, and a caret below it.
    words = " ".join(str(error).partition("\nLINE ")[0].split())
    lower = words.lower()
    is_a_table = isinstance(error, ProgrammingError) or lower.startswith("no such")
    if is_a_table and any(mark in lower for mark in _NO_TABLE):
        return f"{words}. Hint: manage.py migrate, or start the gateway once."
    if "database is locked" in lower:
        return f"{words}. Hint: another process writes to it; try again in a moment."
    if isinstance(error, OperationalError | InterfaceError):
        return f"The database does not answer: {words}. Hint: check that it runs, and ROUTER_DB_URL."
    return words
