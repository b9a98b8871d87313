"""An offer of another protocol is declined, and the request that came with it is served whole, however it is cut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from gateway.http.head_rules import without_offer
from gateway.protocol.http_protocol import HttpProtocol
from gateway.protocol.request_heads import MAX_HEAD

JDK = (  # what java.net.http.HttpClient sends over http://
    b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 11\r\n"
    b"Host: gateway:8080\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"
    b'User-Agent: Java-http-client/17.0.15\r\nAuthorization: Bearer sk-a.b\r\n\r\n{"hello":1}'
)
CURL = (  # curl --http2
    b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: gateway:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    b'Authorization: Bearer sk-a.b\r\nContent-Length: 11\r\n\r\n{"hello":1}'
)
OTHERS = {
    "TLS": [b"Connection: Upgrade", b"Upgrade: TLS/1.0"],
    "several": [b"Connection: upgrade", b"Upgrade: h2c, TLS/1.0, websocket"],
    "kept": [b"Connection: keep-alive, Upgrade", b"Upgrade: h2c"],
    "in two lines": [b"Connection: keep-alive", b"Connection: UPGRADE", b"UPGRADE: H2C"],
    "a websocket with a body": [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"],
}
CHUNKED = b'transfer-encoding: chunked\r\n\r\n4\r\n{"he\r\n7\r\nllo":1}\r\n0\r\n\r\n'


class Wire:
    """A transport in memory."""

    def __init__(self) -> None:
        self.written, self.is_closed = b"", False

    def write(self, data: bytes) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, _: str) -> Any:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Served:
    """A connection whose bytes the test sends; `seen` are the requests that arrived, each with its body."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], bytes]] = []
        self._state = ServerState()
        config = Config(self._serve, interface="asgi3", log_config=None, access_log=False)
        config.load()
        self.wire = Wire()
        self._protocol = HttpProtocol(config=config, server_state=self._state, app_state={})
        self._protocol.connection_made(self.wire)  # type: ignore[arg-type]

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.seen.append((scope, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.wire.is_closed:
                self._protocol.data_received(piece)
        while self._state.tasks:
            await asyncio.gather(*self._state.tasks)
        await asyncio.sleep(0)  # what was written together leaves at the end of a turn
        self._protocol.connection_lost(None)


def offer(lines, method=b"POST", rest=b'content-length: 11\r\n\r\n{"hello":1}', version=b"1.1"):
    head = method + b" /v1/chat/completions?x=1 HTTP/" + version + b"\r\nhost: gateway:8080\r\n"
    return head + b"".join(line + b"\r\n" for line in lines) + b"authorization: Bearer sk-a.b\r\n" + rest


def each_byte(request):
    return [request[at : at + 1] for at in range(len(request))]


REQUESTS = {
    "JDK": JDK,
    "curl": CURL,
    **{name: offer(lines) for name, lines in OTHERS.items()},
    "chunked": offer(OTHERS["TLS"], rest=CHUNKED),
    "PUT": offer(OTHERS["kept"], b"PUT"),
}
CUTS = {
    "whole": lambda request: [request],
    "head and body": lambda request: [*request.partition(b"\r\n\r\n")],
    "inside the body": lambda request: [request[:-4], request[-4:-2], request[-2:]],
    "each byte": each_byte,
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_with_an_offer_keeps_its_body(name, cut):
    served = Served()
    await served.feed(*CUTS[cut](REQUESTS[name]))
    [(scope, body)] = served.seen
    assert body == b'{"hello":1}'
    assert (scope["path"], scope["query_string"]) == ("/v1/chat/completions", b"x=1")
    headers = dict(scope["headers"])
    assert headers[b"authorization"] == b"Bearer sk-a.b"
    assert headers[b"host"] == b"gateway:8080"
    assert not {b"upgrade", b"http2-settings"} & set(headers)
    assert b"upgrade" not in headers.get(b"connection", b"").lower()
    assert served.wire.written.startswith(b"HTTP/1.1 200 ")
    assert b"101 " not in served.wire.written


async def test_requests_behind_an_offer_are_served_in_their_order():
    """Many in one piece: each offer is declined by itself, and none inside another."""
    served = Served()
    plain = b"GET /plain HTTP/1.1\r\nhost: a\r\n\r\n"
    await served.feed((JDK + plain) * 1000)
    assert [body for _, body in served.seen] == [b'{"hello":1}', b""] * 1000
    assert served.wire.written.count(b"HTTP/1.1 200 ") == 2000


async def test_what_is_beside_the_offer_stays():
    served = Served()
    await served.feed(offer([b"Connection: close, Upgrade", b"Upgrade: h2c", b"Accept: a", b"Accept: b"]))
    [(scope, _)] = served.seen
    assert [pair for pair in scope["headers"] if pair[0] in {b"connection", b"accept"}] == [
        (b"connection", b"close"),
        (b"accept", b"a"),
        (b"accept", b"b"),
    ]
    assert served.wire.is_closed


async def test_a_client_of_http_1_0_may_offer_too():
    served = Served()
    await served.feed(offer(OTHERS["TLS"], version=b"1.0"))
    [(scope, body)] = served.seen
    assert (scope["http_version"], body) == ("1.0", b'{"hello":1}')


async def test_a_get_with_an_offer_is_a_get():
    served = Served()
    await served.feed(offer(OTHERS["kept"], b"GET", b"\r\n"))
    assert [(scope["method"], body) for scope, body in served.seen] == [("GET", b"")]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_no_100_continue_is_sent_to_clients_that_cannot_understand_it(version):
    """RFC 9110, 10.1.1: 100 Continue is for clients of HTTP/1.1."""
    served = Served()
    await served.feed(offer([b"expect: 100-continue"], version=version))
    assert [body for _, body in served.seen] == [b'{"hello":1}']
    assert (b"100 Continue" in served.wire.written) is (version == b"1.1")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (offer([b"Connection: Upgrade", b"Upgrade: h2c", b"x: " + b"y" * MAX_HEAD]), b"431"),
        (offer([b"host: b", b"Connection: Upgrade", b"Upgrade: h2c"]), b"400"),
        (offer([b"Connection: Upgrade", b"Upgrade: h2c", b"content-length: 12"]), b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
    ],
    ids=["too large", "two hosts", "two lengths", "HTTP/2 at once"],
)
async def test_an_offer_hides_no_fault(request_, status):
    served = Served()
    await served.feed(request_)
    assert served.seen == []
    assert served.wire.written.startswith(b"HTTP/1.1 " + status)
    assert served.wire.is_closed


def test_a_head_without_its_offer():
    headers = [
        (b"host", b"a"),
        (b"connection", b"Upgrade , HTTP2-Settings"),
        (b"upgrade", b"h2c"),
        (b"x", b""),
    ]
    assert without_offer(b"POST", b"/a?b", "1.1", headers) == b"POST /a?b HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n"
