"""The prompt cache of the simulator: which prefixes of prompts it has seen. Bounded; no clock.

A prefix is cached up to a mark: one that the client set, or where the vendor caches by itself, one that the API's
module sets. A prompt reads the longest prefix that is cached, and writes the rest up to its last mark.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import msgspec

MINIMUM = 1024  # tokens; shorter prefixes are not cached, as at the vendors
MOST_PREFIXES = 50_000  # some 5 MB


class Segment(msgspec.Struct, frozen=True):
    """A piece of a prompt. `mark`: "" or how long the prefix that ends with it is cached ("5m", "1h")."""

    data: bytes
    tokens: int
    mark: str = ""


class CacheUse(msgspec.Struct, frozen=True):
    """Disjoint token counts of one prompt."""

    uncached: int
    read: int = 0
    written: dict[str, int] = {}  # by how long it is kept

    @property
    def writes(self) -> int:
        return sum(self.written.values())

    @property
    def total(self) -> int:
        return self.uncached + self.read + self.writes


class PromptCache:
    """Prefixes by their digest, least recently used first."""

    def __init__(self, most: int = MOST_PREFIXES) -> None:
        self._most = most
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def use(self, owner: str, segments: list[Segment], *, step: int = 1) -> CacheUse:
        """Return what a prompt of `owner` (account and model) reads and writes. Reads are multiples of `step`."""
        running, total, read, read_at = hashlib.blake2b(owner.encode(), digest_size=16), 0, 0, 0
        last = max((place for place, segment in enumerate(segments) if segment.mark), default=-1)
        marked: list[tuple[int, str, bytes]] = []
        for place, segment in enumerate(segments):
            running.update(len(segment.data).to_bytes(8))
            running.update(segment.data)
            total += segment.tokens
            if place > last or total < MINIMUM:
                continue
            digest = running.digest()
            if digest in self._known:
                read = read_at = total
                self._known.move_to_end(digest)
            if segment.mark:
                marked.append((total, segment.mark, digest))
        read -= read % step
        written: dict[str, int] = {}
        so_far = read_at
        for end, mark, digest in marked:
            if end > so_far:
                written[mark] = written.get(mark, 0) + end - so_far
                so_far = end
            self._keep(digest)
        return CacheUse(total - read - sum(written.values()), read, written)

    def _keep(self, digest: bytes) -> None:
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


PROMPTS = PromptCache()
