"""What a start does before it serves: the wait for a PostgreSQL that is still starting, and the lock that lets many
machines prepare one database.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, OperationalError, connections

from gateway.stores.databases import background_alias
from gateway.values.advisory_locks import PREPARING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

MIGRATION_LOCK_MS = 2_000  # a migration that waits longer for a lock makes every query behind it wait
_POLL_S = 0.5


class DatabaseAway(Exception):
    """The database did not respond within `seconds`; `reason` is the last error of the database or the network."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.seconds, self.reason = seconds, reason
        super().__init__(
            f"the database did not answer within {seconds:g} s: {reason}. "
            "Hint: check ROUTER_DB_URL; database.start_timeout says how long to wait."
        )


def wait_until_up(seconds: float, using: str = "default", report: Callable[[str], object] = str) -> None:
    """Return when the database responds to a query; `report` gets the reason while it does not, and "" at the end.

    Blocking. Raises DatabaseAway.
    """
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    connection = connections[using]
    is_logged = False
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError as error:
            connection.close()
            reason = " ".join(str(error).split())
            if time.monotonic() + _POLL_S > deadline:
                raise DatabaseAway(seconds, reason) from error
            report(reason)
            if not is_logged:
                logger.warning("database.waiting", extra={"error": reason})
                is_logged = True
            pause.wait(_POLL_S)
        else:
            report("")
            return


@contextmanager
def preparing(seconds: float, report: Callable[[str], object] = str) -> Iterator[str]:
    """Hold the right to change tables and rows during startup; machines that start together take turns.

    Yields the alias to migrate with: its statements may take long, but wait for a lock only briefly, so that a
    migration never blocks a serving gateway's queries. Raises DatabaseAway.
    """
    alias = background_alias()
    wait_until_up(seconds, alias, report)
    connection = connections[alias]
    if connection.vendor != "postgresql":
        yield alias  # one process per SQLite file: the lock on data_dir is enough
        return
    _advisory_lock(connection)
    try:
        yield alias
    finally:
        connection.close()  # this also releases the lock, whatever happened


def retry_until_up(change: Any, seconds: float) -> None:
    """Retry a change that fails for want of a lock: serving gateways hold it only briefly."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            change()
        except OperationalError as error:
            if not _is_lock_timeout(error) or time.monotonic() > deadline:
                raise
        else:
            return


def _is_lock_timeout(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) == "55P03"


def _advisory_lock(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0")  # the other machine may have much to migrate
        cursor.execute("SELECT pg_advisory_lock(%s)", [PREPARING])
        cursor.execute(f"SET lock_timeout = {MIGRATION_LOCK_MS}")
