"""What the gateway itself refuses: the documented status and code in OpenAI's envelope, and never a 500."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.books.ledger import committed
from tests.support.clients.raw_calls import question

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


async def send(gateway, method, path, key=sample.ALICE, **arguments):
    async with gateway.client(key) as client:
        return await client.request(method, path, **arguments)


def refusal(answer):
    """Return status, code and param after checking the envelope."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert error["message"]
    return answer.status_code, error["code"], error["param"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b'{"model": "chat", "messages": [',
        b'{"model": "chat", "messages": [{"role": "user"}]} trailing',
        b"\xff\xfe",
        b'{"model": "\xff", "messages": [1]}',
        b"NaN",
    ],
    ids=["empty", "words", "cut", "trailing", "bom", "utf8", "nan"],
)
async def test_a_body_that_is_no_json_is_refused(shared_gateway, body):
    answer = await send(shared_gateway, "POST", CHAT, content=body, headers=JSON)
    assert refusal(answer)[:2] == (400, "invalid_json")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 300}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": None}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_tokens": 1e30}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_completion_tokens": 1e30}, "max_completion_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"n_predict": 1e30}, "n_predict"),
        ({"max_new_tokens": -(10**30)}, "max_new_tokens"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"stream_options": [], "stream": True}, "stream_options"),
    ],
)
async def test_error_names_the_wrong_field(shared_gateway, change, param):
    answer = await send(shared_gateway, "POST", CHAT, json={**question("chat"), **change})
    assert refusal(answer) == (400, "invalid_value", param)


@pytest.mark.parametrize("field", ["model", "messages"])
async def test_error_names_the_missing_field(shared_gateway, field):
    body = {name: value for name, value in question("chat").items() if name != field}
    answer = await send(shared_gateway, "POST", CHAT, json=body)
    assert refusal(answer) == (400, "missing_required_parameter", field)


@pytest.mark.parametrize("body", [b"[" * 200_000, b"[]", b'"x"', b"5", b"null"])
async def test_a_body_must_be_an_object(shared_gateway, body):
    answer = await send(shared_gateway, "POST", CHAT, content=body, headers=JSON)
    assert refusal(answer)[0] == 400


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "", None])
async def test_a_body_not_declared_as_json_is_refused(shared_gateway, content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await send(shared_gateway, "POST", CHAT, content=b"{}", headers=headers)
    assert refusal(answer)[:2] == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("key", "model", "status", "code"),
    [
        (None, "chat", 401, "invalid_api_key"),
        ("sk-nobody.nobody-secret", "chat", 401, "invalid_api_key"),
        ("sk-alice.wrong", "chat", 401, "invalid_api_key"),
        ("sk-alice", "chat", 401, "invalid_api_key"),
        ("sk-" + "x" * 5000, "chat", 401, "invalid_api_key"),
        (sample.EXPIRED, "chat", 401, "invalid_api_key"),
        (sample.SUSPENDED, "chat", 403, "tenant_suspended"),
        (sample.ONLY_EMBEDDINGS, "chat", 403, "scope_not_allowed"),
        (sample.ONLY_CHAT_MODEL, "m1", 403, "model_not_allowed"),
        (sample.ALICE, "nowhere", 404, "model_not_found"),
        (sample.ALICE, "embed", 400, "wrong_model_type"),
        (sample.ALICE, "badrow", 503, "no_deployment_available"),
    ],
)
async def test_refusals_have_the_right_status_and_code(shared_gateway, key, model, status, code):
    answer = await send(shared_gateway, "POST", CHAT, key, json=question(model))
    assert refusal(answer)[:2] == (status, code)


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "bearer", "sk-alice.alice-secret", "Bearer é"])
async def test_other_authentication_schemes_are_refused(shared_gateway, value):
    headers = {"authorization": value.encode("latin-1")}
    answer = await send(shared_gateway, "POST", CHAT, None, json=question("chat"), headers=headers)
    assert refusal(answer)[:2] == (401, "invalid_api_key")


async def test_refusals_of_keys_do_not_reveal_which_prefixes_exist(shared_gateway):
    wrong = await send(shared_gateway, "POST", CHAT, "sk-alice.wrong-secret", json=question("chat"))
    unknown = await send(shared_gateway, "POST", CHAT, "sk-nobody.wrong-secret", json=question("chat"))
    assert wrong.text == unknown.text


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/chat", "/v1/%00", "/v1/..;/x"])
async def test_unknown_paths_are_answered_in_the_envelope(shared_gateway, path):
    for method in ("GET", "POST"):
        assert refusal(await send(shared_gateway, method, path))[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", CHAT, "POST"),
        ("DELETE", CHAT, "POST"),
        ("PUT", "/v1/embeddings", "POST"),
        ("POST", "/v1/models", "GET"),
    ],
)
async def test_wrong_methods_are_405_with_the_right_one(shared_gateway, method, path, allowed):
    answer = await send(shared_gateway, method, path)
    assert refusal(answer)[:2] == (405, "method_not_allowed")
    assert allowed in answer.headers["allow"]


async def test_a_model_without_a_price_is_refused_with_a_hint(gateway_factory, upstream):
    priced = sample.row("unpriced", "surely-in-no-price-map", upstream.base_url)
    row = {name: value for name, value in priced.items() if not name.startswith("price")}
    gateway = gateway_factory({"model_catalog": [row, {**row, "alias": "gift", "free": True}]})
    answer = await send(gateway, "POST", CHAT, json=question("unpriced"))
    assert refusal(answer) == (403, "model_unpriced", "model")
    assert "price" in answer.json()["error"]["message"]
    given = await send(gateway, "POST", CHAT, json=question("gift"))
    assert (given.status_code, given.headers["x-gateway-cost-usd"]) == (200, "0.00")


async def test_nothing_refused_reaches_a_provider_or_the_ledger(gateway_factory, upstream):
    gateway = gateway_factory()
    for body in ({}, question("nowhere"), question("badrow"), question("m3", n=0)):
        await send(gateway, "POST", CHAT, json=body)
    gateway.stop()
    assert committed(gateway) == []
