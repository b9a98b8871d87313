"""The vendors' process, called by hand and by OpenAI's client: credentials and versions."""

from __future__ import annotations

import json

import httpx
import openai
import pytest

from tests.support.provider.http import Request
from tests.support.vendors.direct import HI, MESSAGES, VERSION, assertion, aws_headers, exchange, post, token
from tests.support.vendors.sigv4 import canonical_request, signature
from tests.support.vendors.simulated import frames, sse

ON_BEDROCK = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
CONVERSE = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}).encode()
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
OF_PROJECT = "/v1beta1/projects/project-1/locations/global/publishers/google/models/gemini-3-pro"


def test_openais_client_chats_and_has_responses(vendors):
    with openai.OpenAI(
        api_key="sk-openai-one", base_url=f"{vendors.urls['openai']}/v1", max_retries=0
    ) as client:
        answer = client.chat.completions.create(model="gpt-4.1", messages=HI)  # type: ignore[arg-type]
        first = client.responses.create(model="gpt-5.6", input="Hi")
        with client.responses.stream(
            model="gpt-5.6", input="So?", previous_response_id=first.id, reasoning={"summary": "auto"}
        ) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
        client.responses.delete(first.id)
    assert answer.choices[0].message.content
    assert kinds[-1] == "response.completed"
    assert final.output_text
    assert final.output[0].type == "reasoning"
    bill = vendors.bills(model="gpt-4.1", account="one")[-1]
    assert answer.usage is not None
    assert bill["usage"]["prompt_tokens"] == answer.usage.prompt_tokens
    assert bill["finished"]


def test_a_wrong_key_is_refused_in_the_vendors_form(vendors):
    chat = {"model": "m", "messages": HI}
    refused = post(f"{vendors.urls['openai']}/v1/chat/completions", chat, authorization="Bearer no")
    claude = post(f"{vendors.urls['anthropic']}/v1/messages", MESSAGES, x_api_key="no", **VERSION)
    both = post(
        f"{vendors.urls['anthropic']}/v1/messages",
        MESSAGES,
        x_api_key="sk-ant-one",
        authorization="Bearer sk-ant-one",
        **VERSION,
    )
    bedrock = post(f"{vendors.urls['bedrock']}/model/m/converse", {}, authorization="Bearer no")
    vertex = post(f"{vendors.urls['vertex']}{OF_PROJECT}:generateContent", GEMINI, authorization="Bearer no")
    assert [answer.status_code for answer in (refused, claude, both, bedrock, vertex)] == [
        401,
        401,
        401,
        403,
        401,
    ]
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert claude.json()["error"]["type"] == "authentication_error"
    assert bedrock.headers["x-amzn-errortype"].startswith("AccessDeniedException")
    assert vertex.json()["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("header", ["x_api_key", "authorization"])
def test_anthropic_takes_its_key_in_either_header_and_needs_a_version(vendors, header):
    key = "sk-ant-one" if header == "x_api_key" else "Bearer sk-ant-one"
    url = f"{vendors.urls['anthropic']}/v1/messages"
    assert post(url, MESSAGES, **{header: key}, **VERSION).json()["stop_reason"] == "end_turn"
    assert "anthropic-version" in post(url, MESSAGES, **{header: key}).json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/deployments/gpt-4.1/chat/completions?api-version=2024-10-21", 200),
        ("/openai/deployments/gpt-4.1/chat/completions", 404),
        ("/openai/chat/completions?api-version=2024-10-21", 404),
        ("/openai/deployments/gpt-4.1/responses?api-version=2024-10-21", 404),
        ("/openai/responses?api-version=2025-03-01-preview", 200),
        ("/openai/v1/chat/completions", 200),
        ("/openai/v1/chat/completions?api-version=2024-10-21", 400),
        ("/anthropic/v1/messages", 200),
    ],
)
def test_azure_has_a_version_where_it_needs_one(vendors, path, status):
    chat, response = {"model": "gpt-4.1", "messages": HI}, {"model": "gpt-4.1", "input": "Hi"}
    body = MESSAGES if "anthropic" in path else response if "responses" in path else chat
    answer = post(f"{vendors.urls['azure']}{path}", body, api_key="azure-key-one", **VERSION)
    assert answer.status_code == status, answer.text


def test_azure_takes_tokens_of_entra_and_sends_what_its_filter_found_first(vendors):
    url = f"{vendors.urls['azure']}/openai/v1/chat/completions"
    answer = post(url, {"model": "m", "messages": HI, "stream": True}, authorization="Bearer entra-token-two")
    events = sse(answer.content)
    assert events[0]["choices"] == []
    assert events[0]["prompt_filter_results"]
    assert vendors.seen(vendor="azure", model="m")[-1]["account"] == "two"


def test_our_reference_of_the_signature_gives_amazons_own_example():
    """AWS General Reference, "Examples of the complete Signature Version 4 signing process"."""
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": "iam.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
    }
    request = Request("GET", "/", "Action=ListUsers&Version=2010-05-08", headers, b"", 0)
    made = signature(
        canonical_request(request, sorted(headers)),
        "20150830T123600Z",
        "20150830/us-east-1/iam/aws4_request",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    )
    assert made == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


def test_bedrock_verifies_the_signature_over_the_bytes(vendors):
    url = f"{vendors.urls['bedrock']}/model/{ON_BEDROCK}/converse-stream"
    signed = aws_headers(url, CONVERSE)
    answer = httpx.post(url, content=CONVERSE, headers=signed)
    assert frames(answer.content)[-1][0] == "metadata"
    for wrong in (
        httpx.post(url, content=CONVERSE + b" ", headers=signed),
        httpx.post(url, content=CONVERSE, headers=aws_headers(url, CONVERSE, secret="no")),
        httpx.post(url, content=CONVERSE, headers=aws_headers(url, CONVERSE, service="bedrock-runtime")),
        httpx.post(url, content=CONVERSE, headers={**signed, "x-amz-security-token": "session-token"}),
        httpx.post(url.replace("%3A", ":"), content=CONVERSE, headers=signed),
    ):
        assert (wrong.status_code, wrong.headers["x-amzn-errortype"].partition(":")[0]) == (
            403,
            "InvalidSignatureException",
        )
    unknown = httpx.post(url, content=CONVERSE, headers=aws_headers(url, CONVERSE, key="AKIANO"))
    assert unknown.headers["x-amzn-errortype"].startswith("UnrecognizedClientException")
    bearer = httpx.post(url, content=CONVERSE, headers={"authorization": "Bearer bedrock-api-key-two"})
    assert bearer.status_code == 200


def test_vertex_takes_tokens_that_it_issued_until_they_expire(vendors):
    url = f"{vendors.urls['vertex']}{OF_PROJECT}:generateContent"
    given = token(vendors.service_accounts["one"])
    assert post(url, GEMINI, authorization=f"Bearer {given}").status_code == 200
    assert vendors.expire_tokens() >= 1
    assert post(url, GEMINI, authorization=f"Bearer {given}").status_code == 401
    express = f"{vendors.urls['vertex']}/v1beta/models/gemini-3-pro:generateContent"
    assert post(express, GEMINI, x_goog_api_key="AIza-one").status_code == 200
    assert post(url, GEMINI, x_goog_api_key="AIza-one").status_code == 401


@pytest.mark.parametrize("claims", [{"aud": "https://other"}, {"scope": ""}, {"exp": 1}, {"iss": "no"}])
def test_an_assertion_that_is_wrong_gets_no_token(vendors, claims):
    document = vendors.service_accounts["one"]
    answer = exchange(document, assertion(document, **claims))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_an_assertion_with_another_key_gets_no_token(vendors):
    one, two = vendors.service_accounts["one"], vendors.service_accounts["two"]
    assert exchange(one, assertion({**one, "private_key": two["private_key"]})).status_code == 400


def test_hugging_face_reads_the_model_first(vendors):
    url = f"{vendors.urls['huggingface']}/v1/chat/completions"
    assert post(url, {"model": "a/b", "messages": HI}, authorization="Bearer hf_one").status_code == 200
    assert post(url, {"messages": HI, "model": "a/b"}, authorization="Bearer hf_one").status_code == 400
    task = f"{vendors.urls['huggingface']}/hf-inference/models/a/b/pipeline/feature-extraction"
    vectors = post(task, {"inputs": ["one", "two"]}, authorization="Bearer hf_one").json()
    assert [len(vector) for vector in vectors] == [384, 384]
