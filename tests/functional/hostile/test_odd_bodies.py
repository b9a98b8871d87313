"""Bodies and credentials as clients and proxies send them: compressed, with a mark in front, several keys, odd caps."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest
from backports import zstd

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.clients.raw_calls import ask, question

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
MODEL, UPSTREAM = "m8", "up-m8"
BODY = json.dumps(question(MODEL)).encode()
TEXT = "caf\u00e9 " * 20_000
LARGE = json.dumps(question("roomy", user="x") | {"messages": [{"role": "user", "content": TEXT}]}).encode()
PACKED = gzip.compress(BODY, mtime=0)  # names of tests have no time in them
PACK = {"gzip": lambda text: gzip.compress(text, 1), "zstd": zstd.compress}


async def send(gateway, body, key=sample.ALICE, **headers):
    async with gateway.client(key) as client:
        return await client.post(CHAT, content=body, headers={**JSON, **headers})


@pytest.mark.parametrize(
    ("codings", "said"),
    [
        (["gzip"], "gzip"),
        (["zstd"], "zstd"),
        (["gzip"], "GZIP"),
        (["gzip"], "x-gzip"),
        (["gzip", "zstd"], "gzip, zstd"),
        (["zstd", "gzip"], "zstd,gzip"),
        (["gzip", "gzip"], "gzip, identity, gzip"),
        ([], "identity"),
        ([], ""),
    ],
)
@pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
async def test_a_compressed_body_is_read(shared_gateway, upstream, body, codings, said):
    upstream.script(UPSTREAM, {})
    upstream.script("up-roomy", {})
    packed = body
    for coding in codings:
        packed = PACK[coding](packed)
    answer = await send(shared_gateway, packed, **{"content-encoding": said})
    assert answer.status_code == 200, answer.text
    plain = await send(shared_gateway, body)
    [seen], [expected] = (upstream.seen(call=each.headers["x-request-id"]) for each in (answer, plain))
    assert seen["body_sha256"] == expected["body_sha256"]
    assert "content-encoding" not in seen["headers"]


@pytest.mark.parametrize("coding", PACK)
async def test_a_compressed_body_may_come_in_chunks(shared_gateway, upstream, coding):
    upstream.script("up-roomy", {})
    packed = PACK[coding](LARGE)

    async def pieces():
        for at in range(0, len(packed), 100):
            yield packed[at : at + 100]

    assert (await send(shared_gateway, pieces(), **{"content-encoding": coding})).status_code == 200


@pytest.mark.parametrize(
    ("body", "coding", "status", "code"),
    [
        (b"\x1f\x8b", "gzip", 400, "invalid_encoding"),
        (BODY, "gzip", 400, "invalid_encoding"),
        (BODY, "zstd", 400, "invalid_encoding"),
        (PACKED, "zstd", 400, "invalid_encoding"),
        (PACKED[:-1], "gzip", 400, "invalid_encoding"),
        (lambda: zstd.compress(LARGE)[:-1], "zstd", 400, "invalid_encoding"),
        (PACKED, "gzip, gzip", 400, "invalid_encoding"),
        (gzip.compress(b"{", mtime=0), "gzip", 400, "invalid_json"),
        (lambda: gzip.compress(bytes(200 << 20), 1, mtime=0), "gzip", 413, "request_too_large"),
        (lambda: zstd.compress(bytes(200 << 20)), "zstd", 413, "request_too_large"),
        (lambda: zstd.compress(zstd.compress(bytes(200 << 20))), "zstd, zstd", 413, "request_too_large"),
        (BODY, "br", 415, "unsupported_encoding"),
        (BODY, "deflate", 415, "unsupported_encoding"),
        (BODY, "gzip, gzip, gzip", 415, "unsupported_encoding"),
        (PACKED, "", 400, "invalid_json"),
        (zstd.compress(BODY), "identity", 400, "invalid_json"),
    ],
)
async def test_what_is_wrong_with_a_compressed_body_is_said(shared_gateway, body, coding, status, code):
    packed = body() if callable(body) else body  # what takes long is packed here
    answer = await send(shared_gateway, packed, **{"content-encoding": coding})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    if status == 413:
        words = "larger than 20 MB" if coding == "gzip" else "grows more than 1,000 times"
        assert words in answer.json()["error"]["message"]
    if status == 415:
        assert answer.headers["accept-encoding"] == "gzip, zstd"
    if code == "invalid_json" and coding != "gzip":
        assert "Content-Encoding" in answer.json()["error"]["message"]


async def test_a_compressed_body_is_priced_and_repeated_as_what_it_says(shared_gateway, upstream):
    """The key of a repetition is the text, however it came."""
    upstream.script("up-roomy", {})
    first = await send(
        shared_gateway, PACK["gzip"](LARGE), **{"content-encoding": "gzip", "idempotency-key": "packed"}
    )
    again = await send(shared_gateway, LARGE, **{"idempotency-key": "packed"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert (await row_of(shared_gateway, first.headers["x-request-id"]))["status"] == "ok"


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BOM + BODY, {}),
        (BOM + b" \r\n" + BODY, {}),
        (gzip.compress(BOM + BODY, mtime=0), {"content-encoding": "gzip"}),
        (BOM + json.dumps(question(MODEL, stream=True)).encode(), {}),
        (b"\r\n" + BODY, {}),
    ],
)
async def test_a_byte_order_mark_is_no_json_and_no_fault(shared_gateway, upstream, body, headers):
    upstream.script(UPSTREAM, {})
    answer = await send(shared_gateway, body, **headers)
    assert answer.status_code == 200, answer.text
    [seen] = upstream.seen(call=answer.headers["x-request-id"])
    assert seen["body"].startswith("{")


@pytest.mark.parametrize(
    "body", [BOM, BOM + BOM + BODY, b"\xff\xfe" + BODY.decode().encode("utf-16-le"), BODY + BOM]
)
async def test_other_byte_order_marks_are_no_json(shared_gateway, body):
    answer = await send(shared_gateway, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer sk-none.at-all"), ("x-api-key", sample.ALICE)],
        [("authorization", f"Bearer {sample.ALICE}"), ("x-api-key", "dummy")],
        [("authorization", "Basic dXNlcjpwYXNz"), ("api-key", sample.ALICE)],
        [("authorization", f"Bearer {sample.EXPIRED}"), ("authorization", f"Bearer {sample.ALICE}")],
        [("authorization", f"Bearer {sample.SUSPENDED}, Bearer {sample.ALICE}")],
    ],
)
async def test_a_valid_key_among_several_wins(shared_gateway, upstream, headers):
    upstream.script(UPSTREAM, {})
    async with httpx.AsyncClient(base_url=shared_gateway.url, trust_env=False, timeout=60) as client:
        answer = await client.post(CHAT, content=BODY, headers=[*headers, *JSON.items()])
    assert answer.status_code == 200, answer.text
    assert (await row_of(shared_gateway, answer.headers["x-request-id"]))["api_key_prefix"] == "alice"


async def test_cap_of_zero_is_passed_to_the_provider(shared_gateway, upstream):
    """As OpenAI answers it."""
    words = {
        "error": {
            "message": "max_tokens must be at least 1",
            "param": "max_tokens",
            "code": "integer_below_min",
        }
    }
    upstream.script(UPSTREAM, {"kind": "status", "status": 400, "body": words})
    answer = await ask(shared_gateway.url, sample.ALICE, question(MODEL, max_tokens=0))
    assert (answer.status, answer.error["code"]) == (400, "integer_below_min")
    [seen] = upstream.seen(call=answer.id)
    assert json.loads(seen["body"])["max_tokens"] == 0
    assert "x-gateway-max-tokens" not in answer.headers


@pytest.mark.parametrize(
    ("stated", "is_lowered"), [(5, False), (1024, False), (1025, True), (2**31 - 1, True)]
)
async def test_a_lowered_cap_is_reported_like_a_clamp(shared_gateway, upstream, stated, is_lowered):
    upstream.script(UPSTREAM, {})
    answer = await ask(shared_gateway.url, sample.ALICE, question(MODEL, max_tokens=stated))
    assert answer.status == 200
    told = [answer.headers.get(f"x-gateway-{name}") for name in ("max-tokens", "clamped-max-tokens")]
    assert told == (["1024", "1024"] if is_lowered else [None, None])
    [seen] = upstream.seen(call=answer.id)
    assert json.loads(seen["body"])["max_tokens"] == min(stated, 1024)
