"""Messages between workers about limits and money: signed, so that those of other clients of Redis are ignored.

A replay does no harm: "leave" stays true, because no process ever has the name of another (worker_registry.py); "ack"
answers one roll-call, whose token is not used twice; "restore" and "release" make a worker resend its calls, or give
back its outage allowance; "heartbeat" makes others wait for a worker that may have ended, until its end is found
recorded.
"""

from __future__ import annotations

from collections.abc import Callable

from budgets.redis.client.connection import RedisConnection
from gateway.values.signed_messages import Signer


class Channel:
    """One per gateway: `hear` receives the messages of its workers, this one included."""

    def __init__(self, connection: RedisConnection, signer: Signer) -> None:
        self.connection, self._signer = connection, signer
        self.on_message: Callable[[str], None] = _ignore
        connection.on_message = self._received

    async def publish(self, text: str) -> None:
        """Send to all workers. Raises Unreachable."""
        name = self.connection.channel
        await self.connection.call("PUBLISH", name, self._signer.sign(name, text.encode()))

    def _received(self, message: bytes) -> None:
        body = self._signer.read(self.connection.channel, message)
        if body is not None:
            self.on_message(body.decode())


def _ignore(_: str) -> None:
    """No receiver is set yet."""
