"""A key in the wrong place of a request is in no log, no metric and no row, in any spelling."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote, unquote, urlsplit

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

SECRET = "odd-place-secret-0815"
KEY = f"sk-odd.{SECRET}"


def encoded(times):
    """Return the key with each character percent-encoded, and the percent signs encoded again."""
    text = "".join(f"%{ord(letter):02X}" for letter in KEY)
    for _ in range(times - 1):
        text = quote(text, safe="")
    return text


WRITTEN = {
    "plain": KEY,
    "dash and dot": KEY.replace("-", "%2D").replace(".", "%2e"),
    "encoded": encoded(1),
    "encoded twice": encoded(2),
    "encoded three times": encoded(3),
    "behind an encoded slash": f"x%252F{KEY}",
    "behind a word": f"key_{KEY}",
}
LINES = {  # first lines of requests, and more of their heads
    "path of a call": ("POST /v1/{key}", ()),
    "model's name": ("GET /v1/models/{key}", ()),
    "path of a page": ("GET /admin/ui/{key}/", ()),
    "path of nothing": ("GET /{key}", ()),
    "query of a call": ("POST /v1/chat/completions?api_key={key}", ()),
    "query of a page": ("GET /accounts/login/?next=/{key}&key={key}", ()),
    "query of nothing": ("GET /nothing?key={key}", ()),
    "user name": ("GET http://{key}@gateway/v1/models", ()),
    "password": ("GET http://user:{key}@gateway/v1/nothing", ()),
    "referer": (
        "POST /admin/ui/login/",
        ("referer: https://elsewhere.example/?key={key}", "cookie: csrftoken=x"),
    ),
    "origin": ("POST /admin/ui/login/", ("origin: https://{key}.example",)),
    "unknown header": ("POST /v1/chat/completions", ("x-odd: {key}",)),
    "own id": ("POST /v1/nowhere", ("x-client-request-id: {key}",)),
    "route": (
        "POST /v1/chat/completions",
        (f"authorization: Bearer {sample.ALICE}", "x-gateway-route: only={key}"),
    ),
    "idempotency key": ("POST /v1/nowhere", ("idempotency-key: {key}",)),
    "host": ("GET /admin/ui/", ("host: {key}",)),
    "method": ("{key} /v1/models", ()),
}


async def send(gateway, line, headers, key):
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    body = b'{"model":"m4","messages":[{"role":"user","content":"hi"}]}'
    named = [each for each in headers if each.startswith("host: ")] or ["host: gateway"]
    rest = [each for each in headers if not each.startswith("host: ")]
    head = [
        f"{line} HTTP/1.1",
        *named,
        *rest,
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    text = "\r\n".join([*head, "connection: close", "", ""]).replace("{key}", key)
    writer.write(text.encode() + body)
    try:
        async with asyncio.timeout(20):
            await reader.read()
    finally:
        writer.close()


def has_it(text):
    """Say whether a piece of the secret is there, in any encoding."""
    readings = [text]
    for _ in range(4):
        readings.append(unquote(readings[-1]))
    return any(SECRET[4:16] in reading for reading in readings)


async def test_a_misplaced_key_is_stored_nowhere(gateway_factory):
    gateway: Gateway = gateway_factory()
    for line, headers in LINES.values():
        for key in WRITTEN.values():
            await send(gateway, line, headers, key)
    for key in WRITTEN.values():
        await ask(gateway.url, sample.ALICE, question(key))
    last = await ask(gateway.url, sample.ALICE, question("the-last-one"))
    table = "SELECT id FROM metering_loggedrequest WHERE id = ?"
    await eventually(lambda: asyncio.to_thread(gateway.sql, table, last.id))
    fields = "path, model, message, figures, decision, client_request_id, api_key_prefix"
    rows = await asyncio.to_thread(gateway.sql, f"SELECT {fields} FROM metering_loggedrequest")  # noqa: S608 - ours
    assert len(rows) > len(LINES)
    assert [row for row in rows if has_it(json.dumps(row, default=str))] == []
    async with gateway.client() as client:
        assert not has_it((await client.get("/metrics")).text)
        assert not has_it((await client.get("/readyz")).text)
    gateway.stop()
    logs = gateway.logs()
    assert len([line for line in logs if last.id in line]) == 1
    assert [line for line in logs if has_it(line)] == []
