"""Clients as they are on the wire: offers of other protocols, HTTP/1.0, HEAD, host names of inner networks."""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.clients.wire import CHAT, CLOSE, head, spoken

MODEL, UPSTREAM = "m8", "up-m8"
BODY = json.dumps(question(MODEL)).encode()
TEXT = "caf\u00e9 " * 20_000
LARGE = json.dumps(question("roomy", user="x") | {"messages": [{"role": "user", "content": TEXT}]}).encode()
JDK = [b"connection: Upgrade, HTTP2-Settings", b"http2-settings: AAEAAEAAAAIAAAABAAMAAABk", b"upgrade: h2c"]


@pytest.mark.parametrize(
    "offer",
    [
        JDK,
        [b"connection: Upgrade", b"upgrade: TLS/1.0"],
        [b"connection: keep-alive, upgrade", b"upgrade: h2c, websocket"],
        [b"connection: Upgrade", b"upgrade: websocket", b"sec-websocket-version: 13"],
    ],
    ids=["JDK", "TLS", "several", "websocket"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_upgrade_offer_does_not_lose_the_body(shared_gateway, upstream, offer, stream):
    """B8: also a large one, whose segments come after the head."""
    upstream.script("up-roomy", {})
    body = LARGE.replace(b'"user": "x"', b'"stream": true') if stream else LARGE
    pieces = [head(lines=offer, length=len(body)), body[:1000], body[1000:70_000], body[70_000:]]
    got = await spoken(shared_gateway, *pieces, is_open=True)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n"), got[:300]
    assert b"101" not in got.partition(b"\r\n")[0]
    assert (b"data: [DONE]" in got) is stream
    async with shared_gateway.client(sample.ALICE) as client:
        plain = await client.post(CHAT, content=body, headers={"content-type": "application/json"})
    [seen] = upstream.seen(call=plain.headers["x-request-id"])
    assert [each["body_sha256"] for each in upstream.seen(model="up-roomy")[-2:]] == [seen["body_sha256"]] * 2


async def test_next_request_after_an_upgrade_offer_is_served(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    first = head(lines=JDK, length=len(BODY)) + BODY
    got = await spoken(shared_gateway, first + first + head("/v1/models", b"GET", lines=CLOSE))
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert not [line for line in shared_gateway.logs() if "Unsupported upgrade" in line]


def parted(got):
    lines, _, body = got.partition(b"\r\n\r\n")
    status, *headers = lines.lower().split(b"\r\n")
    return status, dict(line.split(b": ", 1) for line in headers), body


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/", "/v1/models", "/v1/nothing", "/nothing"]
)
@pytest.mark.parametrize("host", [[b"host: a"], []])
async def test_http_1_0_client_gets_no_chunks(shared_gateway, path, host):
    """C27."""
    request = b"GET " + path.encode() + b" HTTP/1.0\r\n" + b"".join(line + b"\r\n" for line in host) + b"\r\n"
    status, headers, body = parted(await spoken(shared_gateway, request))
    assert status.split()[1] in {b"200", b"401", b"403", b"404"}
    assert b"transfer-encoding" not in headers
    assert int(headers.get(b"content-length", len(body))) == len(body) > 0
    assert headers[b"connection"] == b"close"


async def test_a_stream_to_a_client_of_http_1_0_ends_with_its_connection(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    body = json.dumps(question(MODEL, stream=True)).encode()
    status, headers, text = parted(await spoken(shared_gateway, head(version=b"1.0", length=len(body)), body))
    assert b" 200 " in status
    assert b"transfer-encoding" not in headers
    assert b"content-length" not in headers
    assert text.startswith(b"data: {")
    assert text.endswith(b"data: [DONE]\n\n")
    assert all(line.startswith(b"data: ") for line in text.strip().split(b"\n\n"))


@pytest.mark.parametrize("body", [BODY, json.dumps(question("nowhere")).encode(), b"{"])
async def test_whole_answers_to_a_client_of_http_1_0_have_a_length(shared_gateway, upstream, body):
    upstream.script(UPSTREAM, {})
    _, headers, text = parted(await spoken(shared_gateway, head(version=b"1.0", length=len(body)), body))
    assert int(headers[b"content-length"]) == len(text) > 0
    assert b"transfer-encoding" not in headers


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/chat", "/healthz", "/readyz", "/metrics", "/", "/readme"]
)
async def test_head_is_get_without_its_body(shared_gateway, path):
    async with shared_gateway.client(sample.ALICE) as client:
        whole, answer = await client.get(path), await client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == whole.headers["content-type"]
    if path.startswith("/v1"):
        assert answer.headers["content-length"] == whole.headers["content-length"]
        assert answer.headers["x-request-id"]


async def test_a_connection_goes_on_after_head(shared_gateway):
    got = await spoken(
        shared_gateway, head("/v1/models", b"HEAD") * 2 + head("/v1/models", b"GET", lines=CLOSE)
    )
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert got.count(b'"object":"list"') == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("HEAD", CHAT, 405, "POST"),
        ("HEAD", "/v1/nothing", 404, None),
        ("POST", "/v1/models", 405, "GET, HEAD"),
        ("POST", "/healthz", 405, "GET, HEAD"),
        ("DELETE", "/readyz", 405, "GET, HEAD"),
        ("PUT", "/healthz/", 405, "GET, HEAD"),
        ("OPTIONS", "/v1/models", 405, "GET, HEAD"),
    ],
)
async def test_other_methods_are_405_with_the_allowed_methods(shared_gateway, method, path, status, allowed):
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (status, allowed)


BLANKS = [b" ", b"\t", b"  \t "]


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    "line",
    [
        b"api-key: " + sample.BOB.encode(),
        b"x-api-key: " + sample.BOB.encode(),
        b"x-request-timeout-ms: 20000",
        b"idempotency-key: blanks-%b",
        b"content-encoding: identity",
    ],
)
async def test_trailing_blanks_are_no_part_of_a_header_value(shared_gateway, upstream, line, blank):
    """RFC 9112, 5.1; of its own the parser takes away those before it only."""
    upstream.script(UPSTREAM, {})
    line = line.replace(b"%b", blank.hex().encode())
    request = head(lines=[line, *CLOSE], length=len(BODY)) + BODY
    exact, padded = request, request.replace(line, line + blank)
    if b"api-key" in line:
        exact, padded = (
            each.replace(b"Bearer " + sample.ALICE.encode(), b"Basic x") for each in (exact, padded)
        )
    statuses = [(await spoken(shared_gateway, each)).partition(b"\r\n")[0] for each in (exact, padded)]
    assert statuses[0] == statuses[1]
    assert b" 200 " in statuses[0]


HOSTS = [
    b"gateway:8080  ",
    b"gateway\t",
    b"llm_gateway:8080",
    b"LLM_Gateway",
    b"_gw_.my_net:1",
    b"gateway_",
    b"a.b_c.",
    b"[::1]:8080",
    b"127.0.0.1",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_host_with_an_underscore_is_valid(shared_gateway, host):
    """C28: services of a compose file call each other so."""
    for path in (
        "/",
        "/metrics",
        "/admin/ui/login/",
        "/v1/docs",
        "/v1/openapi.json",
        "/healthz",
        "/static/gateway/home.css",
    ):
        got = await spoken(shared_gateway, head(path, b"GET", lines=CLOSE, host=host))
        refused = (
            path == "/metrics" and b"." in host.partition(b":")[0] and b"127" not in host
        )  # a name of outside
        assert got.startswith(b"HTTP/1.1 403" if refused else b"HTTP/1.1 200"), (path, got[:200])


@pytest.mark.parametrize("host", [b"a!b", b"a'b:80", b"a%20b", b"(a)"])
async def test_request_without_host_is_refused_without_a_traceback(shared_gateway, host):
    for path in ("/", "/metrics", "/admin/ui/login/"):
        assert (await spoken(shared_gateway, head(path, b"GET", lines=CLOSE, host=host))).startswith(
            b"HTTP/1.1 400"
        )
    assert not [line for line in shared_gateway.logs() if "DisallowedHost" in line]
