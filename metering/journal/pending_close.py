"""The end of a call on its way to the disk."""

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
    """The last frame of a call, and who waits for it to be durable."""

    id: str
    frame: bytes
    waiter: Waiter

    def give_up(self) -> None:
        """Tell whoever waits that nobody tries any more."""
        if not self.waiter.done():
            self.waiter.set_exception(CloseNotPersisted(self.id))
            self.waiter.exception()  # seen, even if nobody waits
