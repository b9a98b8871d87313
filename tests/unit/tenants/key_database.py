"""A database of keys, and a clock, that a test controls."""

from __future__ import annotations

import asyncio

from tenants.api_keys.cache import StoredKey
from tenants.api_keys.tokens import digest
from tenants.caller import Caller
from tenants.errors import KeysUnavailable

PEPPER = b"p" * 32
ALICE = Caller(key_id=1, key_prefix="alice", key_name="Alice", tenant_id=1, tenant="alice-co")


class Shelf:
    """The database: what is on it can be changed, and every read is counted."""

    def __init__(self):
        self.keys = {"alice": StoredKey(digest(PEPPER, "alice", "secret"), ALICE, None)}
        self.reads = self.lists = 0
        self.gate = None
        self.answered = asyncio.Event()

    async def __call__(self, prefix):
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.keys is None:
            raise KeysUnavailable
        self.answered.set()
        return self.keys.get(prefix)

    async def prefixes(self, after):
        """Number the keys in the order in which they were put there."""
        self.lists += 1
        if self.keys is None:
            raise KeysUnavailable
        return [(number, prefix) for number, prefix in enumerate(self.keys, 1) if number > after]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now
