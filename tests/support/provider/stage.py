"""Plays one call of the test upstream as its behavior states, and keeps the bill meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tests.support.provider import answers
from tests.support.provider.answers import Asked, Bill
from tests.support.provider.expected import Seen, Truth
from tests.support.provider.http import Connection, head
from tests.support.provider.script import Behavior

JSON = "application/json"
FOREVER_S = 100.0  # longer than any test; the client's departure ends it
BREAKS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"


class Cut(Exception):
    """Raised where the script ends an answer in the middle of its body."""


class Stage:
    """One call: its connection, its request, its behavior, and the books."""

    def __init__(self, connection: Connection, seen: Seen, behavior: Behavior, truth: Truth) -> None:
        self._connection, self._seen, self._behavior, self._truth = connection, seen, behavior, truth
        self._spoken = (
            Bill()
        )  # what was said so far, where the whole answer is on the bill from the beginning
        self._body_bytes: int | None = None  # sent so far; None: its head is not out yet
        self.released = asyncio.Event()

    async def play(self, asked: Asked) -> str:
        """Answer, and return the outcome for the books."""
        behavior, seen = self._behavior, self._seen
        seen.kind, seen.usage, seen.most_output = behavior.kind, behavior.usage, asked.most_output
        if behavior.bills == "all":
            make = answers.embeddings if seen.path.endswith("/embeddings") else answers.chat
            make(asked, behavior, seen.bill)
        try:
            return await self._play(asked)
        except Cut:
            return "cut"

    async def _play(self, asked: Asked) -> str:
        behavior = self._behavior
        await asyncio.sleep(behavior.delay)
        if behavior.hold_before_head:
            await self.released.wait()
        if behavior.kind == "hang_before_head":
            await asyncio.sleep(FOREVER_S)
        if behavior.kind == "reset_before_head":
            self._connection.reset()
            return "reset"
        if behavior.kind in {"ok", "events", "raw", "hang_after_head"} and asked.stream:
            return await self._stream(asked)
        return await self._whole(asked)

    async def _whole(self, asked: Asked) -> str:
        behavior, kind = self._behavior, self._behavior.kind
        if kind == "status":
            text = (
                behavior.body.encode()
                if isinstance(behavior.body, str)
                else msgspec.json.encode(self._said())
            )
            await self._answer(behavior.status, text, JSON)
            return str(behavior.status)
        if kind == "html":
            await self._answer(502 if behavior.status == 200 else behavior.status, HTML, "text/html")
            return kind
        if kind == "hang_after_head":
            await self._write(head(200, {"content-type": JSON, "content-length": "500"}), begins=True)
            await asyncio.sleep(FOREVER_S)
        is_embedding = self._seen.path.endswith("/embeddings")
        make = answers.embeddings if is_embedding else answers.chat
        body = msgspec.json.encode(make(asked, behavior, self._seen.bill))
        if kind == "truncated":
            await self._write(
                head(200, {"content-type": JSON, "content-length": str(len(body))}), begins=True
            )
            await self._write(body[: len(body) // 2])
            self._connection.close()
            return kind
        if kind in {"malformed", "empty"}:
            body = b'{"id": nope' if kind == "malformed" else b""
        content_type = "text/plain" if kind == "wrong_type" else JSON
        if behavior.cut_at is not None and behavior.cut_at < len(body):
            length = {"content-length": str(len(body)), **behavior.headers}
            await self._write(head(200, {"content-type": content_type, **length}), begins=True)
            await self._write(body)
        await self._answer(200, body, content_type)
        return kind

    async def _stream(self, asked: Asked) -> str:
        behavior = self._behavior
        length = {} if behavior.close_delimited else {"transfer-encoding": "chunked"}
        await self._write(
            head(200, {"content-type": "text/event-stream", **length, **behavior.headers}), begins=True
        )
        if behavior.kind == "hang_after_head":
            await asyncio.sleep(FOREVER_S)
        if behavior.kind == "events":
            for event in behavior.events:
                await self._event(event.encode())
            return await self._finish("events")
        if behavior.kind == "raw":
            data = behavior.raw.encode("latin-1")
            await self._write(data if behavior.close_delimited else b"%x\r\n%s\r\n" % (len(data), data))
            return await self._finish("raw")
        self._spoken.reads(behavior)
        if behavior.bills == "sent":
            self._spoken = self._seen.bill
            self._spoken.reads(behavior)
        await self._prelude(asked)
        await self._content(asked)
        return await self._ending(asked)

    async def _prelude(self, asked: Asked) -> None:
        for _ in range(self._behavior.empty_choices):
            await self._event(answers.chunk(asked, []))
        for _ in range(self._behavior.role_events):
            for index in range(asked.n or 1):
                await self._event(
                    answers.chunk(asked, [answers.delta(index, {"role": "assistant", "content": ""})])
                )

    async def _content(self, asked: Asked) -> None:
        behavior, seen = self._behavior, self._seen
        last = behavior.chunks if behavior.after is None else behavior.after
        left = answers.visible_tokens(asked, behavior)
        if behavior.bills == "sent":
            seen.bill.hides(asked, behavior)
        for number in range(last):
            tokens = min(left, behavior.tokens_per_chunk)
            if tokens <= 0:
                break
            left -= tokens
            if number and behavior.pause:
                await asyncio.sleep(behavior.pause)
            text = answers.TOKEN * tokens + ("x" * behavior.huge if number == 0 else "")
            for index in range(asked.n or 1):
                await self._event(
                    answers.chunk(asked, [answers.delta(index, {"content": text})], used=self._told_beside())
                )
                self._spoken.completion_tokens += tokens
            seen.chunks += 1
            if seen.chunks == behavior.running_usage and not behavior.is_told_beside:
                await self._event(answers.chunk(asked, [], used=answers.usage(self._spoken, behavior)))
            self._truth.changed()
            if behavior.hold_after == seen.chunks:
                await self.released.wait()

    def _told_beside(self) -> dict[str, Any] | None:
        behavior = self._behavior
        is_told = behavior.is_told_beside and self._seen.chunks + 1 == behavior.running_usage
        return answers.usage(self._spoken, behavior) if is_told else None

    async def _ending(self, asked: Asked) -> str:
        behavior, end = self._behavior, self._behavior.end
        if end in {"done", "no_done"}:
            reason = "length" if answers.is_cut(asked, behavior) else "stop"
            for index in range(asked.n or 1):
                await self._event(answers.chunk(asked, [answers.delta(index, {}, reason)]))
            await self._usage(asked)
            if end == "done":
                await self._event(b"[DONE]")
        elif end == "stall":
            await asyncio.sleep(FOREVER_S)
        elif end == "drop":
            self._connection.close()
            return end
        elif end == "reset":
            self._connection.reset()
            return end
        elif end == "error":
            await self._event(msgspec.json.encode(answers.error("The model fell over.", 500)))
        elif end == "malformed":
            await self._event(b'{"id": "chatcmpl-upstream", "choi')
        return await self._finish(end)

    async def _usage(self, asked: Asked) -> None:
        behavior = self._behavior
        if behavior.hold_before_usage:
            await self.released.wait()
        if behavior.usage == "always" or (behavior.usage != "never" and asked.wants_usage):
            used = answers.usage(self._seen.bill, behavior)
            await self._event(answers.chunk(asked, [], used=used))

    async def _finish(self, outcome: str) -> str:
        if self._behavior.close_delimited:
            self._connection.close()
        else:
            await self._write(b"0\r\n\r\n")
        return outcome

    async def _event(self, data: bytes) -> None:
        end = BREAKS[self._behavior.framing]
        comment = b": still here" + end + end if self._behavior.comments else b""
        block = comment + b"data: " + data + end + end
        step = 1 if self._behavior.drip else len(block)
        for place in range(0, len(block), step):
            part = block[place : place + step]
            await self._write(part if self._behavior.close_delimited else b"%x\r\n%s\r\n" % (len(part), part))
            if self._behavior.drip:
                await asyncio.sleep(0)

    async def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self._began()
        await self._connection.answer(status, body, content_type, self._behavior.headers)
        self._seen.bytes_sent += len(body)

    async def _write(self, data: bytes, *, begins: bool = False) -> None:
        if begins:
            self._began()
        cut_at, before = self._behavior.cut_at, self._body_bytes
        if cut_at is not None and before is not None:
            data = data[: cut_at - before]
        await self._connection.write(data)
        self._seen.bytes_sent += len(data)
        self._body_bytes = 0 if before is None else before + len(data)
        if cut_at is not None and self._body_bytes >= cut_at and before is not None:
            await self._cut()

    def _said(self) -> Any:
        """Return an error, with usage if the script reports any, or the script's own document."""
        behavior, bill = self._behavior, self._seen.bill
        if behavior.body is not None:
            return behavior.body
        used = behavior.usage == "always" and bill.completion_tokens > 0
        said = answers.error("Scripted.", behavior.status)
        return {**said, "usage": answers.usage(bill, behavior)} if used else said

    async def _cut(self) -> None:
        """End the connection in the middle of the body. Raises Cut."""
        by = self._behavior.cut_by
        if by == "stall":
            await asyncio.sleep(FOREVER_S)
        elif by == "reset":
            self._connection.reset()
        else:
            self._connection.close()
        raise Cut

    def _began(self) -> None:
        self._seen.head_sent = True
        self._truth.changed()
