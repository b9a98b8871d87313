"""Every error code that a call can get has its reason: `manage.py explain` says why, for the caller and the operator.

Each code is got from a real gateway. Codes of a gateway that is not well are got where it is made so: `overloaded`
(test_overload.py), `server_shutdown` (test_shutdown.py), `limiter_unavailable` (test_store_health.py) and
`metering_unavailable` (test_ledger_survives.py). Of `too_complex`, which needs a slow processor, only the sentence is
checked: tests/unit/metering/explain/test_refusal_reasons.py.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.books.why import (
    ELSEWHERE,
    EMBEDS,
    OPEN,
    PAST,
    PICKY,
    POOR,
    SLEEPY,
    SLOW,
    config,
    stories_of,
)
from tests.support.clients.raw_calls import CHAT, ask, question
from tests.support.servers.gateway import Gateway
from tests.support.stores import stores

pytestmark = pytest.mark.both_modes


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("why") / "data"
    with Gateway(config(upstream.base_url, closed_port), data_dir) as server:
        yield server


def texts(*contents):
    return {"messages": [{"role": "user", "content": content} for content in contents]}


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
EMBEDDINGS = "/v1/embeddings"
CALLS: dict[
    str, tuple[str, dict[str, Any], dict[str, Any], str]
] = {  # code -> key, body, and what else differs, and what the operator reads beyond the sentence of the code
    "invalid_api_key": ("sk-nobody.nobody-secret", question("why"), {}, "No key has this prefix"),
    "tenant_suspended": (SLEEPY, question("why"), {}, "Its tenant is suspended."),
    "address_not_allowed": (ELSEWHERE, question("why"), {}, "this client's is not in it"),
    "scope_not_allowed": (EMBEDS, question("why"), {}, "it is limited to embeddings"),
    "model_not_allowed": (PICKY, question("why"), {}, "It is not in the list of the key."),
    "model_not_found": (OPEN, question("why-off"), {}, "The model is in the catalog, and is disabled."),
    "wrong_model_type": (OPEN, question("why-embeds"), {}, "use /v1/embeddings"),
    "model_cannot": (
        OPEN,
        question("why-no-tools", tools=TOOLS),
        {},
        "why-no-tools-1 of why-no-tools: takes no tools.",
    ),
    "context_length_exceeded": (
        OPEN,
        question("why-short", user="x" * 900) | texts("word " * 400),
        {},
        "reads at most 40",
    ),
    "model_unpriced": (OPEN, question("why-no-output"), {}, "why-no-output-1 of why-no-output: "),
    "no_deployment_available": (OPEN, question("why-keyless"), {}, "why-keyless-1 of why-keyless: "),
    "feature_unpriced": (OPEN, question("why", web_search_options={}), {}, "has a price of its own"),
    "unbounded_parameter": (
        OPEN,
        question("why-windowless", vendor_option=1),
        {},
        "whose cost has no bound",
    ),
    "unsupported_parameter": (OPEN, question("why", api_base="http://example.com"), {}, "api_base"),
    "conflicting_parameters": (
        OPEN,
        question("why", max_tokens=1, max_completion_tokens=2),
        {},
        "different numbers",
    ),
    "invalid_route_hint": (OPEN, question("why"), {"headers": {"x-gateway-route": "???"}}, "cannot read"),
    "invalid_request": (OPEN, question("why"), {"headers": {"x-request-timeout-ms": "soon"}}, "whole number"),
    "missing_required_parameter": (OPEN, {"model": "why"}, {}, "messages"),
    "invalid_value": (OPEN, {**question("why"), "model": 7}, {}, "model"),
    "too_many_messages": (OPEN, {"model": "why", **texts(*"abcde")}, {}, "server.max_messages"),
    "too_many_content_parts": (
        OPEN,
        {"model": "why", **texts([{"type": "text", "text": "a"}] * 9)},
        {},
        "server.max_content_parts",
    ),
    "too_many_inputs": (
        EMBEDS,
        {"model": "why-embeds", "input": ["a"] * 5},
        {"path": EMBEDDINGS},
        "server.max_inputs",
    ),
    "too_deeply_nested": (OPEN, question("why", deep=[[[[[[[[[[[[]]]]]]]]]]]]), {}, "server.max_nesting"),
    "too_many_members": (OPEN, question("why", **{f"m{i}": 1 for i in range(21_000)}), {}, "members"),
    "unsupported_media_type": (
        OPEN,
        question("why"),
        {"headers": {"content-type": "text/plain"}},
        "not declared",
    ),
    "unsupported_encoding": (OPEN, question("why"), {"headers": {"content-encoding": "br"}}, "compressed"),
    "invalid_encoding": (
        OPEN,
        question("why"),
        {"headers": {"content-encoding": "gzip"}},
        "Content-Encoding",
    ),
    "request_too_large": (OPEN, question("why", user="x" * (2 << 20)), {}, "server.body_limit_mb"),
    "not_found": (OPEN, {}, {"path": "/v1/nowhere"}, "Nothing is served"),
    "unsupported_endpoint": (OPEN, {}, {"path": "/v1/images/generations"}, "does not serve"),
    "method_not_allowed": (OPEN, {}, {"path": "/v1/models"}, "not with this method"),
    "insufficient_quota": (POOR, question("why"), {}, "The monthly budget of the key is 0.0001 USD"),
    "invalid_idempotency_key": (OPEN, question("why"), {"headers": {"idempotency-key": "x" * 300}}, "255"),
    "upstream_timeout": (OPEN, question("why-slow"), {}, "1. why-slow-1 (openai-compatible): failed as"),
    "deadline_exceeded": (
        OPEN,
        question("why-patient"),
        {"headers": {"x-request-timeout-ms": "200"}},
        "X-Request-Timeout-Ms",
    ),
}


async def sent(gateway, body, headers=()):
    """Send bytes as they are, and return the answer's id."""
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", f"authorization: Bearer {OPEN}", *headers]
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = "\r\n".join([*lines, "content-type: application/json", "connection: close", "", ""])
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    return answer.partition(b"x-request-id: ")[2].partition(b"\r\n")[0].decode()


async def half_a_body(gateway, upstream):
    return await sent(gateway, b'{"model"', ["content-length: 100"])


async def no_json(gateway, upstream):
    return await sent(gateway, b"{nonsense", ["content-length: 9"])


async def said_twice(gateway, upstream):
    twice = b'{"model":"why","messages":[{"role":"user","role":"system","content":"hi"}]}'
    return await sent(gateway, twice, [f"content-length: {len(twice)}"])


async def above_its_rate(gateway, upstream):
    return [await ask(gateway.url, SLOW, question("why")) for _ in range(2)][-1].id


async def keyed(gateway, name, body, key=OPEN):
    return await ask(gateway.url, key, body, headers={"idempotency-key": name})


async def another_body(gateway, upstream):
    return [await keyed(gateway, "other", question("why", n=n)) for n in (1, 2)][-1].id


async def not_kept(gateway, upstream):
    return [await keyed(gateway, "stream", question("why", stream=True)) for _ in range(2)][-1].id


async def still_running(gateway, upstream):
    upstream.script("up-why-patient", {"hold_before_head": True})
    before = len(upstream.seen(model="up-why-patient"))
    first = asyncio.create_task(keyed(gateway, "twin", question("why-patient")))
    await upstream.wait("arrived", model="up-why-patient", count=before + 1)
    second = await keyed(gateway, "twin", question("why-patient"))
    upstream.release(model="up-why-patient")
    assert (await first).status == 200
    return second.id


async def leaves(gateway, upstream):
    """A client that disconnected has no id: the provider has it."""
    upstream.script("up-why-patient", {"hold_before_head": True})
    before = len(upstream.seen(model="up-why-patient"))
    address = urlsplit(gateway.url)
    body = b'{"model":"why-patient","messages":[{"role":"user","content":"hi"}]}'
    client = socket.create_connection((address.hostname, address.port))
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPEN}\r\ncontent-type: application/json\r\n"
    client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    seen = await upstream.wait("arrived", model="up-why-patient", count=before + 1)
    client.close()
    return seen[-1]["id"]


@contextmanager
def hidden(gateway, table):
    """Take a table away for a moment: its database fails, as one that is away does."""
    gateway.sql(f"ALTER TABLE {table} RENAME TO hidden")
    try:
        yield
    finally:
        gateway.sql(f"ALTER TABLE hidden RENAME TO {table}")


async def without_replays(gateway, upstream):
    with hidden(gateway, "gateway_idempotencyrecord"):
        return (await keyed(gateway, "away", question("why"))).id


async def without_keys(gateway, upstream):
    """A key that this gateway has not seen yet. A missing table is an outage to SQLite, and a defect to PostgreSQL."""
    with hidden(gateway, "tenants_apikey"):
        return (await ask(gateway.url, PAST, question("why"))).id


SPECIAL = {
    "request_timeout": (half_a_body, "did not arrive in time"),
    "invalid_json": (no_json, "could not parse"),
    "duplicate_parameter": (said_twice, "twice in the body"),
    "rate_limit_exceeded": (above_its_rate, "The key may make 1 requests a minute"),
    "idempotency_mismatch": (another_body, "used with another body"),
    "idempotency_result_unavailable": (not_kept, "its answer was not kept"),
    "idempotency_in_progress": (still_running, "still running"),
    "client_disconnected": (leaves, "client_disconnected"),
    "idempotency_unavailable": (
        without_replays,
        "The database, which keeps what an Idempotency-Key stands for",
    ),
    **(
        {"internal_error": (without_keys, "the log has its traceback under this id")}
        if stores.are_shared()
        else {"keys_unavailable": (without_keys, "Its key is not in this process's memory")}
    ),
}


async def got(gateway, upstream, code):
    """Make the call that gets this code and return its id."""
    if code in SPECIAL:
        return await SPECIAL[code][0](gateway, upstream)
    key, body, more, _ = CALLS[code]
    answer = await ask(gateway.url, key, body, **more)
    assert answer.error["code"] == code, answer.body
    return answer.id


async def every_story(gateway, upstream):
    """Return the story of one call of each code."""
    upstream.script("up-why-slow", {"hold_before_head": True})
    upstream.script("up-why-patient", {"hold_before_head": True})
    ids = {code: await got(gateway, upstream, code) for code in [*CALLS, *SPECIAL]}
    return dict(zip(ids, await stories_of(gateway, list(ids.values())), strict=True))


@pytest.fixture(scope="module")
def stories(gateway, upstream):
    return asyncio.run(every_story(gateway, upstream))


@pytest.mark.parametrize("code", [*CALLS, *SPECIAL])
async def test_explain_states_the_reason_of_each_error_code(stories, code):
    story, words = stories[code], (CALLS.get(code) or SPECIAL[code])[-1]
    assert f"({code})" in story
    assert "\nWhy it was refused\n" in story or "\nWhat was tried\n" in story
    assert words in story
