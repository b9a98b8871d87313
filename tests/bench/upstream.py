"""A provider in its own process, several times faster than any gateway: prebuilt answers over raw HTTP/1.1.

`python -m tests.bench.upstream` prints its port as one JSON line and serves until stdin closes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop
from typing_extensions import override

from tests.bench import answers
from tests.bench.workloads import DONE, SLOW_EVENTS, SLOW_EVERY_S


class Prepared:
    """Every answer this upstream can give."""

    def __init__(self) -> None:
        self.chat = answers.chat_answer()
        self.streams = {
            (framed, metered): answers.stream_answer(framed=framed, metered=metered)
            for framed in (False, True)
            for metered in (False, True)
        }
        self.message = answers.message_answer()
        self.message_stream = answers.message_stream()
        self.floats = answers.embedding_answer(packed=False)
        self.base64 = answers.embedding_answer(packed=True)
        self.models = answers.model_list()
        self.not_found = answers.not_found()
        self.broken = answers.broken()
        self.slow_event = answers.event({"content": "t%"}).split(b"t%")
        self.slow_end = answers.event({}, "stop")


class SlowStream:
    """Writes an event every 20 ms, each with the instant it was sent, until the end or a client disconnect."""

    def __init__(self, transport: asyncio.Transport, prepared: Prepared, *, metered: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._prepared = prepared
        self._metered = metered
        self._left = SLOW_EVENTS
        self._next_at = self._loop.time()
        transport.write(answers.STREAM_HEAD)
        self._tick()

    def _tick(self) -> None:
        if self._transport.is_closing():
            return
        if not self._left:
            self._finish()
            return
        self._left -= 1
        before, after = self._prepared.slow_event
        self._transport.write(answers.http_chunk(b"%st%d%s" % (before, time.monotonic_ns(), after)))
        self._next_at += SLOW_EVERY_S
        self._loop.call_at(self._next_at, self._tick)

    def _finish(self) -> None:
        usage = answers.usage_event() if self._metered else b""
        tail = self._prepared.slow_end + usage + DONE
        self._transport.write(answers.http_chunk(tail) + answers.STREAM_END)


class Conversation(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, body = self._url, self._body
        self._url = self._body = b""
        if url.endswith(b"/chat/completions"):
            self._chat(body)
        elif url.endswith(b"/messages"):
            streams = b'"stream":true' in body
            self._transport.write(self._prepared.message_stream if streams else self._prepared.message)
        elif url.endswith(b"/embeddings"):
            packed = b'"base64"' in body
            self._transport.write(self._prepared.base64 if packed else self._prepared.floats)
        elif url.endswith(b"/models"):
            self._transport.write(self._prepared.models)
        else:
            self._transport.write(self._prepared.not_found)

    def _chat(self, body: bytes) -> None:
        if b"up-broken" in body:
            self._transport.write(self._prepared.broken)
            return
        if b'"stream":true' not in body and b'"stream": true' not in body:
            self._transport.write(self._prepared.chat)
            return
        metered = b'"include_usage":true' in body or b'"include_usage": true' in body
        if b"up-slow" in body:
            SlowStream(self._transport, self._prepared, metered=metered)
        else:
            self._transport.write(self._prepared.streams[b"up-framed" in body, metered])


async def serve() -> None:
    loop = asyncio.get_running_loop()
    prepared = Prepared()
    closed = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), closed.set)
    server = await loop.create_server(lambda: Conversation(prepared), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(msgspec.json.encode({"port": port}).decode() + "\n")
    sys.stdout.flush()
    await closed.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
