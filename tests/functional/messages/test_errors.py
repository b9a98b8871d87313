"""Errors of /v1/messages are in Anthropic's envelope, with the gateway's own code, and with the id of the call."""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.clients.wire import CLOSE, head, spoken

BODY = {"model": "m9", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}


async def post(gateway, body=BODY, key=sample.ALICE, path="/v1/messages?beta=true", **headers):
    async with gateway.client() as client:
        return await client.post(path, json=body, headers={"x-api-key": key} | headers if key else headers)


def check(answer, status, kind, code):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["type"] == "error"
    assert (body["error"]["type"], body["error"]["code"]) == (kind, code)
    assert body["error"]["message"]
    assert body["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    return body["error"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_without_a_key(shared_gateway, path):
    check(await post(shared_gateway, key="", path=path), 401, "authentication_error", "invalid_api_key")


async def test_with_a_key_that_may_not(shared_gateway):
    check(
        await post(shared_gateway, key=sample.ONLY_EMBEDDINGS), 403, "permission_error", "scope_not_allowed"
    )
    check(await post(shared_gateway, key=sample.SUSPENDED), 403, "permission_error", "tenant_suspended")


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"max_tokens": None}, "max_tokens", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"container": "c"}, "container", "unsupported_parameter"),
        ({"temperature": "warm"}, "temperature", "invalid_value"),
    ],
)
async def test_a_wrong_body(shared_gateway, change, param, code):
    error = check(await post(shared_gateway, BODY | change), 400, "invalid_request_error", code)
    assert error["param"] == param


async def test_the_cap_is_required(shared_gateway):
    body = {name: value for name, value in BODY.items() if name != "max_tokens"}
    answer = await post(shared_gateway, body)
    error = check(answer, 400, "invalid_request_error", "missing_required_parameter")
    assert error["param"] == "max_tokens"


async def test_an_unknown_model(shared_gateway):
    check(await post(shared_gateway, BODY | {"model": "none"}), 404, "not_found_error", "model_not_found")


async def test_a_model_of_another_type(shared_gateway):
    answer = await post(shared_gateway, BODY | {"model": "embed"})
    check(answer, 400, "invalid_request_error", "wrong_model_type")


async def test_a_path_that_is_not_served(shared_gateway):
    answer = await post(shared_gateway, path="/v1/messages/batches")
    check(answer, 404, "not_found_error", "unsupported_endpoint")


async def test_a_method_that_is_not_allowed(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.get("/v1/messages")
    check(answer, 405, "invalid_request_error", "method_not_allowed")
    assert "POST" in answer.headers["allow"]


async def test_an_error_of_models_is_anthropics_if_its_version_was_sent(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        own = await client.get("/v1/models/none", headers={"anthropic-version": "2023-06-01"})
        other = await client.get("/v1/models/none")
    check(own, 404, "not_found_error", "model_not_found")
    assert "type" not in other.json()
    assert "request-id" not in other.headers


async def test_a_chat_is_openais_whatever_was_sent(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        headers = {"anthropic-version": "2023-06-01"}
        answer = await client.post("/v1/chat/completions", json={"model": "none"}, headers=headers)
    assert set(answer.json()) == {"error"}


async def test_a_check_whether_a_server_is_there(shared_gateway):
    got = await spoken(shared_gateway, head("/", b"HEAD", lines=CLOSE))
    assert got.startswith(b"HTTP/1.1 200 OK\r\n"), got[:300]
    assert got.endswith(b"\r\n\r\n")


async def test_hostile_bodies_end_in_the_envelope(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        for body in (b"", b"{", b"[]", b"[" * 200_000, b'{"model":' + b'{"a":' * 50_000, b"\xff\xfe{}"):
            answer = await client.post(
                "/v1/messages", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400, body[:20]
            assert json.loads(answer.content)["error"]["type"] == "invalid_request_error"
