"""Runs the commands of admission on the worker's connection: packs the arguments, decodes the reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from budgets.admission.interface import AdmissionUnavailable
from budgets.redis.client.connection import RedisConnection
from budgets.redis.client.protocol import Unreachable
from budgets.redis.commands import Command, Outcome

Clock = Callable[[], tuple[float, float]]  # monotonic seconds, epoch seconds

BY_REDIS = (-1, -1)  # the clock of Redis counts


class Gate(Protocol):
    """Called before a command is sent and after its reply arrived; refuses by raising Unreachable."""

    def __call__(self, script: str, /, *, is_sent: bool = False) -> None: ...


class ScriptRunner:
    """One per worker. `gate`: set before the first command."""

    def __init__(self, connection: RedisConnection, prefix: str, clock: Clock | None) -> None:
        self.gate: Gate = _open
        self._connection, self._prefix, self._clock = connection, prefix, clock
        self._encode = msgspec.msgpack.Encoder().encode

    async def run(self, command: Command[Outcome], tag: str, arguments: Sequence[Any]) -> Outcome:
        """Run it for a tenant. `arguments`: from [4] on in the header of the script. Raises Unreachable."""
        now, instant = self._clock() if self._clock is not None else BY_REDIS

        def payload(run_id: str) -> bytes:
            return self._encode([run_id, now, instant, *arguments])

        self.gate(command.name)
        reply = await self._connection.run(command.name, f"{self._prefix}:{{{tag}}}:meta", payload)
        self.gate(command.name, is_sent=True)
        return command.decode(reply)

    async def run_or_refuse(self, command: Command[Outcome], tag: str, arguments: Sequence[Any]) -> Outcome:
        """Run it. Raises AdmissionUnavailable."""
        try:
            return await self.run(command, tag, arguments)
        except Unreachable as away:
            raise AdmissionUnavailable from away


def _open(_: str, *, is_sent: bool = False) -> None:
    """No command is refused."""
