"""The connection pool of one process, per origin: the connection used last is used next, the others time out.

Cost of a kept connection: 1 us. The fastest of a name's addresses is used.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final

import aiohappyeyeballs

from providers.egress import is_forbidden
from providers.errors.exceptions import ConnectFailed, UpstreamBroken
from providers.transport.connection import Connection
from providers.transport.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.transport.request_head import Origin

NEXT_ADDRESS_S: Final = 0.25  # RFC 8305: "Connection Attempt Delay"


class OriginPool:
    """The connections to one origin: idle ones, the newest last, and slots for those in use."""

    __slots__ = ("idle", "slots")

    def __init__(self, slots: int) -> None:
        self.idle: list[Connection] = []
        self.slots = asyncio.Semaphore(slots)


class Pool:
    """Every connection that a caller takes must be released, in whatever state."""

    def __init__(
        self,
        trust: ssl.SSLContext,
        connections_per_host: int,
        keep_alive_s: float,
        egress_allow: Sequence[str] = (),
    ) -> None:
        self._trust, self._per_host, self._keep_alive_s = trust, connections_per_host, keep_alive_s
        self._egress_allow = egress_allow
        self._loop = asyncio.get_running_loop()
        self._origins: dict[Origin, OriginPool] = {}
        self._resolver = Resolver()
        self._open: set[Connection] = set()
        self._is_closed = False
        self._sweep = self._loop.call_later(keep_alive_s, self._close_idle)

    def close(self) -> None:
        """Close every connection, also those in use; one that is being opened is closed once it is established."""
        self._is_closed = True
        self._sweep.cancel()
        self._resolver.close()
        for connection in list(self._open):
            connection.fail(UpstreamBroken("the transport was closed"))

    async def acquire_idle(self, origin: Origin) -> Connection | None:
        """Take an idle connection; never waits. None: there is none, or no slot."""
        origin_pool = self._origin_pool(origin)
        if origin_pool.slots.locked():
            return None
        while origin_pool.idle:
            connection = origin_pool.idle.pop()
            is_young = self._loop.time() - connection.kept_since < self._keep_alive_s
            if is_young and connection.is_open and connection.tcp_state.is_ready():
                await origin_pool.slots.acquire()
                return connection
            connection.abort()
        return None

    def invalidate(self, origin: Origin, broken: Connection) -> None:
        """Close connections that have been idle for at least as long as the broken one: most likely they broke too."""
        origin_pool = self._origin_pool(origin)
        for connection in origin_pool.idle:
            if connection.kept_since <= broken.kept_since:
                connection.abort()
        origin_pool.idle = [one for one in origin_pool.idle if one.kept_since > broken.kept_since]

    async def connect(self, origin: Origin) -> Connection:
        """Wait for a slot and open a connection. Raises OSError, ssl.SSLError; the caller bounds the wait."""
        slots = self._origin_pool(origin).slots
        await slots.acquire()
        try:
            return await self._connect(origin)
        except BaseException:  # also on cancel: a slot without a holder would be lost for ever
            slots.release()
            raise

    def release(self, origin: Origin, connection: Connection) -> None:
        """Take a connection back: it is kept if its last response was read to the end and it is reusable."""
        origin_pool = self._origin_pool(origin)
        origin_pool.slots.release()
        if connection.may_serve_again:
            connection.kept_since = self._loop.time()
            origin_pool.idle.append(connection)
        else:
            connection.abort()

    def _origin_pool(self, origin: Origin) -> OriginPool:
        origin_pool = self._origins.get(origin)
        if origin_pool is None:
            origin_pool = self._origins[origin] = OriginPool(self._per_host)
        return origin_pool

    async def _connect(self, origin: Origin) -> Connection:
        addresses = await self._resolver.addresses(origin.host, origin.port)
        if origin.is_guarded and any(is_forbidden(str(each[4][0]), self._egress_allow) for each in addresses):
            raise ConnectFailed(f"{origin.host} leads inside this network", "egress_refused")
        try:
            sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_S)
        except OSError:
            self._resolver.invalidate(origin.host, origin.port)
            raise
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._loop, self._open.discard),
                sock=sock,
                ssl=self._trust if origin.is_tls else None,
                server_hostname=origin.host if origin.is_tls else None,
            )
        except BaseException:  # also on cancel during the TLS handshake
            sock.close()
            raise
        connection.tcp_state.socket = sock
        if self._is_closed:
            connection.abort()
            raise ConnectFailed("the transport was closed")
        if not connection.is_lost:
            self._open.add(connection)
        return connection

    def _close_idle(self) -> None:
        """Close connections that were idle for too long."""
        oldest = self._loop.time() - self._keep_alive_s
        for origin_pool in self._origins.values():
            for connection in origin_pool.idle:
                if connection.kept_since <= oldest:
                    connection.abort()
            origin_pool.idle = [one for one in origin_pool.idle if one.is_open and one.kept_since > oldest]
        self._sweep = self._loop.call_later(self._keep_alive_s / 2, self._close_idle)
