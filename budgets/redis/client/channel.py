"""What workers say to each other about limits and money: signed, so that nobody else on that Redis is believed.

Said again, it does no harm: "gone" is true for ever, because no process ever has the name of another
(worker_registry.py); "told" answers one question, whose name is not used twice; "rehold" and "yield" make a worker
say once more what it holds, or give back what it set aside; "here" lets a worker be waited for that may have died,
until its grave is seen.
"""

from __future__ import annotations

from collections.abc import Callable

from budgets.redis.client.connection import RedisConnection
from gateway.values.signed_messages import Signer


class Channel:
    """Of one gateway: `hear` takes what its workers say, this one too."""

    def __init__(self, connection: RedisConnection, signer: Signer) -> None:
        self.connection, self._signer = connection, signer
        self.hear: Callable[[str], None] = _ignore
        connection.on_message = self._received

    async def publish(self, text: str) -> None:
        """Tell all workers. Raises Unreachable."""
        name = self.connection.channel
        await self.connection.call("PUBLISH", name, self._signer.sign(name, text.encode()))

    def _received(self, message: bytes) -> None:
        body = self._signer.read(self.connection.channel, message)
        if body is not None:
            self.hear(body.decode())


def _ignore(_: str) -> None:
    """Nobody listens yet."""
