"""Paths as base URLs make them: with an extra slash they are served, others lead to a hint. C30."""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.clients.wire import CLOSE, head, spoken

MODEL, UPSTREAM = "m8", "up-m8"
BODY = json.dumps(question(MODEL)).encode()


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/chat/completions/",
        "///v1///chat//completions//",
        "/v1/chat/completions?api-version=1",
        "/v1/chat/completions/?x=//",
        "/%2Fv1/chat/completions",
    ],
)
async def test_extra_slashes_are_ignored(shared_gateway, upstream, path):
    """C30: a base URL that ends in a slash."""
    upstream.script(UPSTREAM, {})
    got = await spoken(
        shared_gateway, head(path, lines=CLOSE, length=len(BODY)) + BODY
    )  # httpx would tidy it
    assert got.startswith(b"HTTP/1.1 200 OK\r\n"), got[:300]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/", b"200"),
        ("//v1/models", b"200"),
        ("/v1/models/chat/", b"200"),
        ("/healthz/", b"200"),
        ("//readyz", b"200"),
        ("/metrics/", b"200"),
        ("//metrics", b"200"),
    ],
)
async def test_careless_get_paths_have_the_right_status(shared_gateway, path, status):
    got = await spoken(shared_gateway, head(path, b"GET", lines=CLOSE, host=b"127.0.0.1"))
    assert got.startswith(b"HTTP/1.1 " + status), got[:300]


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/chat/completions", "not_found", "base URL ends in /v1: it has /v1/chat/completions"),
        ("/openai/v1/chat/completions", "not_found", "it has /v1/chat/completions"),
        ("/v1/v1/chat/completions", "not_found", "it has /v1/chat/completions"),
        ("/V1/chat/completions", "not_found", "did you mean /v1/chat/completions?"),
        ("/v1/chat/completion", "not_found", "did you mean /v1/chat/completions?"),
        ("/embeddings", "not_found", "it has /v1/embeddings"),
        ("/models", "not_found", "it has /v1/models"),
        ("/api/tags", "not_found", "/v1/docs"),
        ("/v1/images/generations", "unsupported_endpoint", "not supported by this version"),
        ("/v1/messages/batches", "unsupported_endpoint", "not supported by this version"),
        ("/responses", "not_found", "it has /v1/responses"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_path_is_answered_in_json_with_a_hint(shared_gateway, method, path, code, words):
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.request(method, path, json=question(MODEL) if method == "POST" else None)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    error = answer.json()["error"]
    assert error["code"] == code
    assert words in error["message"]


async def test_the_official_client_shows_the_hint(shared_gateway):
    import openai  # noqa: PLC0415 - half a second, for one test

    client = openai.AsyncOpenAI(api_key=sample.ALICE, base_url=shared_gateway.url, max_retries=0)
    async with client:
        with pytest.raises(openai.NotFoundError, match="base URL ends in /v1"):
            await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}])
        with pytest.raises(openai.NotFoundError, match="it has /v1/models"):
            await client.models.list()


async def test_browser_gets_an_html_page(shared_gateway):
    async with shared_gateway.client() as client:
        answer = await client.get("/nothing", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
