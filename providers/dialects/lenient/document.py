"""Collects a response that came in the form that was not requested, in the memory that a large event may take."""

from __future__ import annotations

import io

from providers.framing.malformed import MalformedStream
from providers.framing.sse import MEMORY_FROM, MEMORY_STEP, GrantMemory


class Document:
    """`grant_memory(size)` is called before that many bytes are buffered; on False there is no memory for them."""

    __slots__ = ("_grant_memory", "_granted", "_max_size", "_size", "_whole")

    def __init__(self, max_size: int, grant_memory: GrantMemory | None = None) -> None:
        self._max_size, self._grant_memory = max_size, grant_memory
        self._granted = MEMORY_FROM if grant_memory is not None else max_size
        self._whole = io.BytesIO()
        self._size = 0

    def add(self, block: bytes) -> None:
        """Raises MalformedStream."""
        self._size += len(block)
        if self._size > self._max_size:
            raise MalformedStream(f"an answer is larger than {self._max_size} bytes")
        if self._size > self._granted and self._grant_memory is not None:
            granted = min(self._size + MEMORY_STEP, self._max_size)
            if not self._grant_memory(granted):
                raise MalformedStream(f"there is no memory for an answer of {self._size} bytes", is_ours=True)
            self._granted = granted
        self._whole.write(block)

    def take_content(self) -> bytes:
        """Return the whole content without a copy, and keep nothing."""
        whole, self._whole = self._whole.getvalue(), io.BytesIO()
        return whole
