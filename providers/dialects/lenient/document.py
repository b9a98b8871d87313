"""Collects a response that came in the form that was not requested, in the memory that a large event may take."""

from __future__ import annotations

import io

from providers.dialects.base import MalformedStream
from providers.dialects.sse import ROOM_FROM, ROOM_STEP, Room


class Document:
    """`room(size)` is called before that many bytes are buffered; on False there is no memory for them."""

    __slots__ = ("_granted", "_most", "_room", "_size", "_whole")

    def __init__(self, most: int, room: Room | None = None) -> None:
        self._most, self._room = most, room
        self._granted = ROOM_FROM if room is not None else most
        self._whole = io.BytesIO()
        self._size = 0

    def add(self, block: bytes) -> None:
        """Raises MalformedStream."""
        self._size += len(block)
        if self._size > self._most:
            raise MalformedStream(f"an answer is larger than {self._most} bytes")
        if self._size > self._granted and self._room is not None:
            wanted = min(self._size + ROOM_STEP, self._most)
            if not self._room(wanted):
                raise MalformedStream(f"there is no memory for an answer of {self._size} bytes", is_ours=True)
            self._granted = wanted
        self._whole.write(block)

    def taken(self) -> bytes:
        """Return the whole content without a copy, and keep nothing."""
        whole, self._whole = self._whole.getvalue(), io.BytesIO()
        return whole
