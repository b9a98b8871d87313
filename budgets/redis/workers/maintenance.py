"""Background work of shared admission: heartbeats, messages of other workers, catching up after an outage.

Runs once a second, and at once after reconnecting; a few commands each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence

from budgets.redis.client.channel import Channel
from budgets.redis.client.protocol import Unreachable
from budgets.redis.held_calls import HeldCall
from budgets.redis.outbox import Outbox
from budgets.redis.workers.final_report import FinalReport
from budgets.redis.workers.outage_allowance import OutageAllowances
from budgets.redis.workers.worker_registry import WorkerRegistry
from gateway.values.fallback_log import FALLBACKS
from gateway.values.tasks import spawn

logger = logging.getLogger(__name__)
TEND_S = 1.0


class Maintenance:
    """Owns the tasks of a worker's admission. `aclose` ends them."""

    def __init__(
        self, channel: Channel, peers: WorkerRegistry, backlog: Outbox, allowances: OutageAllowances, word: FinalReport,
        instant: Callable[[], float],
    ) -> None:  # fmt: skip
        self._connection, self._peers, self._instant = channel.connection, peers, instant
        self.publish = channel.publish
        self._backlog, self._allowances, self._word = backlog, allowances, word
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = 0  # the connection over which all calls were resent
        channel.on_message = self._on_message
        channel.connection.on_open = self._wake.set

    def start(self, calls: dict[str, HeldCall]) -> None:
        self.spawn(self._run(calls))

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run this as a task; an unreachable Redis ends it, and the next tick catches up."""
        task = spawn(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # of a task that was cancelled before it began

    async def _publish_heartbeat(self) -> None:
        await self.publish(f"heartbeat {self._peers.worker} {self._connection.born_in}")

    async def aclose(self) -> bool:
        """End the tasks, flush the outbox, publish "leave": no other worker shall wait for this one. False: the ledger
        lacks calls. Then no recovery may proceed without them before this worker's journal is adopted.
        """
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection.is_up:
            with contextlib.suppress(Unreachable):
                await self._backlog.flush()
                await self._allowances.release(self._instant())
                if self._backlog.is_done:
                    await self.publish(f"leave {self._peers.worker}")
                    return True
        return self._backlog.is_done

    def _on_message(self, text: str) -> None:
        """Handle a message of a worker, this one included."""
        verb, _, rest = text.partition(" ")
        words = rest.split(" ")
        if verb == "heartbeat":
            if self._peers.seen(*words[:2]):
                self.spawn(self._publish_heartbeat())  # a new worker must know the live workers at once
        elif verb == "leave":
            self._peers.remove(words[0])
        elif verb == "ack":
            self._peers.acknowledge(words[0], words[1])
        elif verb == "restore" and (not words[2:] or self._peers.worker in words[2:]):
            self._allowances.void(words[0])
            self.spawn(self._restore(words[0], words[1]))
        elif verb == "release":
            self.spawn(self._release_scopes(words))

    async def _restore(self, tag: str, token: str) -> None:
        await self._backlog.resend(tag)
        await self.publish(f"ack {token} {self._peers.worker}")

    async def _release_scopes(self, scopes: Sequence[str]) -> None:
        await self._allowances.release_scopes(scopes, self._instant())

    async def _run(self, calls: dict[str, HeldCall]) -> None:
        while True:
            self._wake.clear()
            await _quietly(self._word.tick(self._allowances))
            await _quietly(self._tick(calls))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TEND_S):
                    await self._wake.wait()

    async def _tick(self, calls: dict[str, HeldCall]) -> None:
        await self._publish_heartbeat()
        opened = self._connection.opened
        if self._opened != opened:
            self._peers.seen_all()  # no message could arrive meanwhile, so silence proves nothing
            # first the calls granted meanwhile, then the allowances
            await self._backlog.resend(None)
            for request_id in calls:
                self._allowances.confirm(request_id)
            self._allowances.renew_all()
            self._opened = opened
        await self._backlog.flush()
        if not self._word.is_written_or_pending:
            await self._allowances.renew(self._instant())
        self._peers.refresh()


async def _quietly(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except Unreachable as away:
        FALLBACKS.note("redis_upkeep", away)
    except Exception as failure:  # without maintenance other workers take this one for ended
        FALLBACKS.note("redis_upkeep", failure)
        logger.exception("redis.maintenance.failed")
