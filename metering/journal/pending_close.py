"""The end of a call that is not yet durable."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

Waiter = asyncio.Future[None]


class CloseNotPersisted(Exception):
    """Raised for a call that ended, if the journal closes before that is durable. The next start accounts the call."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(f"the journal closed before the end of {request_id} was durable")


class PendingClose(NamedTuple):
    """The last frame of a call, and the waiter for its durability."""

    id: str
    frame: bytes
    waiter: Waiter

    def fail(self) -> None:
        """Fail the waiter: the write is not tried any more."""
        if not self.waiter.done():
            self.waiter.set_exception(CloseNotPersisted(self.id))
            self.waiter.exception()  # marked as retrieved, even if no task waits
