"""Plays one call of the test upstream as its behavior says, and keeps the bill while it speaks."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tests import upstream_answers as answers
from tests.upstream_answers import Asked
from tests.upstream_behavior import Behavior
from tests.upstream_http import Connection, head
from tests.upstream_truth import Seen, Truth

JSON = "application/json"
FOREVER_S = 100.0  # longer than any test; the client's departure ends it
BREAKS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"


class Stage:
    """One call: where it is answered, what was asked, how to behave, and the books."""

    def __init__(self, connection: Connection, seen: Seen, behavior: Behavior, truth: Truth) -> None:
        self._connection, self._seen, self._behavior, self._truth = connection, seen, behavior, truth
        self.released = asyncio.Event()

    async def play(self, asked: Asked) -> str:
        """Answer, and return the outcome for the books."""
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
                else msgspec.json.encode(_said(behavior))
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
        await self._answer(200, body, "text/plain" if kind == "wrong_type" else JSON)
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
        self._seen.bill.prompt_tokens = behavior.prompt_tokens
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
        seen.bill.completion_tokens += behavior.reasoning_tokens + behavior.audio_output_tokens
        for number in range(last):
            tokens = min(left, behavior.tokens_per_chunk)
            if tokens <= 0:
                break
            left -= tokens
            if number and behavior.pause:
                await asyncio.sleep(behavior.pause)
            text = answers.TOKEN * tokens + ("x" * behavior.huge if number == 0 else "")
            for index in range(asked.n or 1):
                await self._event(answers.chunk(asked, [answers.delta(index, {"content": text})]))
                seen.bill.completion_tokens += tokens
            seen.chunks += 1
            self._truth.changed()
            if behavior.hold_after == seen.chunks:
                await self.released.wait()

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
        await self._connection.write(data)
        self._seen.bytes_sent += len(data)

    def _began(self) -> None:
        self._seen.head_sent = True
        self._truth.changed()


def _said(behavior: Behavior) -> Any:
    return answers.error("Scripted.", behavior.status) if behavior.body is None else behavior.body
