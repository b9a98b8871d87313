"""Which tenant a scope belongs to: a key's scope does not name its tenant, whose hash slot in Redis has its windows.

Written to Redis each time a worker is about to make a window known there, whether or not it was done before: Redis may
have lost it. A total of an unknown tenant waits here, together with the calls that are in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence

from cachetools import LRUCache

from budgets.admission.interface import WindowTotal
from budgets.redis.client.connection import RedisConnection
from budgets.redis.scope_request import ScopeRequest, tenant_tag

MOST_WAITING = (
    100  # batches; calls of a dropped one stay counted in Redis beside the ledger: at worst too strict
)
MOST_KNOWN = 100_000  # scopes; Redis is asked for the others

_MARK = "="  # present until the hash is deleted


class ScopeTenants:
    """The tenant's tag of each key that has a window."""

    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._connection, self._prefix, self._name = connection, prefix, f"{prefix}:owners"
        self._tags: LRUCache[str, str] = LRUCache(MOST_KNOWN)
        self._waiting: deque[tuple[list[WindowTotal], set[str]]] = deque(maxlen=MOST_WAITING)

    async def record(self, want: ScopeRequest) -> None:
        """Write the tenant of these scopes to Redis, before their windows become known. Raises Unreachable."""
        scopes = dict.fromkeys(bound.key.scope for bound in want.bounds)
        if scopes:
            words = (word for scope in scopes for word in (scope, want.tag))
            await self._connection.call("HSET", self._name, *words)
            self._tags.update(dict.fromkeys(scopes, want.tag))

    async def tenant_of(self, scopes: Iterable[str]) -> dict[str, str]:
        """Return the tag of each scope, as far as it is known. Raises Unreachable."""
        wanted = list(dict.fromkeys(scopes))
        owners = {scope: tenant_tag(scope) for scope in wanted if scope.startswith("tenant:")}
        owners |= {scope: self._tags[scope] for scope in wanted if scope in self._tags}
        unknown = [scope for scope in wanted if scope not in owners]
        if unknown:
            named = await self._ask(unknown)
            self._tags.update(named)
            owners |= named
        return owners

    def prune(self, posts: list[WindowTotal], request_ids: set[str]) -> None:
        """Keep these until the tenant of one of the windows is known."""
        self._waiting.append((posts, request_ids))

    async def resolve(self) -> list[tuple[list[WindowTotal], set[str]]]:
        """Remove and return the batches with a window whose tenant is known now. Raises Unreachable."""
        if not self._waiting:
            return []
        owners = await self.tenant_of(post.window.scope for posts, _ in self._waiting for post in posts)
        ready = [each for each in self._waiting if any(post.window.scope in owners for post in each[0])]
        for each in ready:
            self._waiting.remove(each)
        return ready

    async def _ask(self, scopes: Sequence[str]) -> dict[str, str]:
        is_whole, *found = await self._connection.call("HMGET", self._name, _MARK, *scopes)
        if not is_whole:
            await self._restore()
            found = await self._connection.call("HMGET", self._name, *scopes)
        return {scope: tag.decode() for scope, tag in zip(scopes, found, strict=True) if tag}

    async def _restore(self) -> None:
        """Rewrite the hash from the `meta` of all tenants: it was deleted, or never read before."""
        async for tag in tenants(self._connection, self._prefix):
            fields = await self._connection.call("HKEYS", f"{self._prefix}:{{{tag}}}:meta")
            scopes = [field.decode().removeprefix("of:") for field in fields if field.startswith(b"of:")]
            if scopes:
                await self._connection.call(
                    "HSET", self._name, *(w for scope in scopes for w in (scope, tag))
                )
        await self._connection.call("HSET", self._name, _MARK, 1)


async def tenants(connection: RedisConnection, prefix: str) -> AsyncIterator[str]:
    """Yield the tag of every tenant that Redis knows, some of them twice. Raises Unreachable."""
    cursor = b"0"
    while True:
        cursor, keys = await connection.call("SCAN", cursor, "MATCH", f"{prefix}:{{*}}:meta", "COUNT", 1000)
        for key in keys:
            yield key.decode().split("{")[1].split("}")[0]
        if cursor == b"0":
            return
