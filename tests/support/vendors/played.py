"""Plays one call of a vendor as its script states, and keeps what was sent and produced."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import msgspec

from providers.simulator.core.exchange import Bill, Frame, Response
from tests.support.provider.http import ClientGone, Connection, Request, head
from tests.support.vendors.apis import broken
from tests.support.vendors.script import Behavior


class Seen(msgspec.Struct, kw_only=True):
    """A call as it arrived, and how it went. `state`: arrived | holding | ended | closed (by the client).

    `produced`: output tokens by the last byte sent. `finished`: the vendor sent all of its response.
    """

    number: int
    vendor: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str  # base64
    model: str = ""
    account: str = ""
    state: str = "arrived"
    status: int = 0
    bytes_sent: int = 0
    produced: int = 0
    finished: bool = False


def seen_of(number: int, vendor: str, request: Request) -> Seen:
    return Seen(
        number=number,
        vendor=vendor,
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
        body=base64.b64encode(request.body).decode(),
    )


class Cut(Exception):
    """Raised where the script ends a response in the middle of its body."""


class Played:
    """One call: its connection, its behavior, and what is seen of it."""

    def __init__(
        self, connection: Connection, seen: Seen, behavior: Behavior, changed: Callable[[], None]
    ) -> None:
        self._connection, self.seen, self._behavior, self._changed = connection, seen, behavior, changed
        self._sent = 0  # bytes of the body
        self._chunked = False
        self.released = asyncio.Event()
        self.bill: Bill | None = None

    async def hold(self) -> None:
        self.seen.state = "holding"
        self._changed()
        await self.released.wait()
        self.seen.state = "arrived"

    async def play(self, respond: Callable[[], Response]) -> None:
        """Answer the call; ClientGone and the task's cancellation pass through."""
        behavior = self._behavior
        if behavior.hold_before_head:
            await self.hold()
        if behavior.status is not None and behavior.body is not None:
            body = (
                behavior.body
                if isinstance(behavior.body, str)
                else msgspec.json.encode(behavior.body).decode()
            )
            await self._whole(Response(body=body.encode(), status=behavior.status))
            return
        response = respond()
        self.bill = response.bill
        if isinstance(response.body, bytes):
            await self._whole(response)
        else:
            await self._stream(response)

    async def _whole(self, response: Response) -> None:
        assert isinstance(response.body, bytes)
        length = {"content-length": str(len(response.body))}
        await self._head(response, length)
        if self.bill is not None:
            self.seen.produced = -1  # all of it
        await self._body(response.body)

    async def _stream(self, response: Response) -> None:
        behavior = self._behavior
        self._chunked = True
        await self._head(response, {"transfer-encoding": "chunked"})
        frames = cast("Iterable[Frame]", response.body)  # no bytes: those have a length
        is_cut = False
        try:
            for place, frame in enumerate(frames):
                if behavior.hold_after == place:
                    await self.hold()
                if behavior.error_after == place:
                    await self._write(broken(self.seen.vendor, self.bill))
                    break
                self.seen.produced = frame.tokens
                await self._write(frame.data)
            else:
                self.seen.finished = True
        except Cut:
            is_cut = True
        if not is_cut or behavior.cut_by == "end":
            await self._connection.write(b"0\r\n\r\n")

    async def _head(self, response: Response, more: dict[str, str]) -> None:
        self.seen.status = response.status
        headers = {
            "content-type": response.content_type.decode(),
            **response.headers,
            **self._behavior.headers,
            **more,
        }
        await self._connection.write(head(response.status, headers))

    async def _body(self, body: bytes) -> None:
        try:
            await self._write(body)
        except Cut:
            if self._behavior.cut_by == "end":
                self._connection.close()  # the length was promised: there is no other end
            return
        self.seen.finished = True

    async def _write(self, data: bytes) -> None:
        """Raises Cut."""
        behavior = self._behavior
        left = None if behavior.cut_after is None else behavior.cut_after - self._sent
        part = data if left is None else data[: max(0, left)]
        step = behavior.piece or max(1, len(part))
        for place in range(0, len(part), step):
            piece = part[place : place + step]
            await self._connection.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
            self._sent += len(piece)
            self.seen.bytes_sent = self._sent
            if behavior.piece:
                await asyncio.sleep(0)
        if left is not None and left <= len(data):
            if behavior.cut_by == "reset":
                self._connection.reset()
            elif behavior.cut_by == "close":
                self._connection.close()
            raise Cut


async def ended(seen: Seen, playing: Awaitable[Any], changed: Callable[[], None]) -> None:
    """Wait for a call to end, however it does, and note it."""
    try:
        await playing
        seen.state = "ended"
    except (ClientGone, asyncio.CancelledError):
        seen.state = "closed"
        raise
    finally:
        changed()
