"""Writes the waiting request log (gateway/observability/request_log.py) into the database, beside the calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from django.db import DatabaseError

from gateway.observability.request_log import RequestLog
from gateway.stores.database_threads import InDatabase
from gateway.values.fallback_log import FALLBACKS
from metering.request_log.rows import write

AWAY_S: Final = 5.0


class RequestLogWriter:
    """`in_database` runs a blocking function in the database threads."""

    def __init__(
        self, log: RequestLog, in_database: InDatabase, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._in_database, self._clock = log, in_database, clock
        self._not_before = 0.0

    async def write_request_log(self) -> None:
        """Write the waiting rows; while the database is away they stay, and are tried again after AWAY_S."""
        if self._clock() < self._not_before:
            return
        try:
            await self.flush()
        except DatabaseError as away:
            FALLBACKS.note("request_log", away)
            self._not_before = self._clock() + AWAY_S

    async def flush(self) -> None:
        """Write all rows that wait now. Raises DatabaseError. Rows exist once, even if written twice because the first
        write was not awaited.
        """
        while rows := self._log.take():
            try:
                unwritable: int = await self._in_database(write, rows)
            except BaseException:  # cancellation included
                self._log.give_back(rows)
                raise
            if unwritable:
                self._log.dropped("unwritable", unwritable)
