"""A proxy to a server of this machine that a test can cut, restore and slow down, as a network does."""

from __future__ import annotations

import asyncio
from typing import Self

from tests.support.servers.ports import free_port, stop_accepting


class Link:
    """Passes bytes on, both ways, until it is cut; then it refuses until it is mended. `port` stays the same."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = free_port()
        self.late_s = 0.0  # what the server says arrives so much later
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Return when nothing passes any more, and everything that was accepted is closed."""
        server, self._server = self._server, None
        for end in self._ends:
            end.transport.abort()
        if server is not None:
            await stop_accepting(server)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = self._server
        self._ends.add(writer)
        self._keep(asyncio.current_task())
        if server is None:  # it was accepted before the cut
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._ends.add(back)
        if self._server is not server:  # cut meanwhile
            writer.transport.abort()
            back.transport.abort()
            return
        for source, sink, is_answer in ((reader, back, False), (there, writer, True)):
            self._keep(asyncio.create_task(self._pipe(source, sink, is_answer=is_answer)))

    def _keep(self, task: asyncio.Task[None] | None) -> None:
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pipe(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        try:
            while data := await source.read(65536):
                if is_answer and self.late_s:
                    await asyncio.sleep(self.late_s)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.transport.abort()
            self._ends.discard(sink)
