"""What the client writes reaches the provider byte for byte, and its answer comes back; only `model` and cap differ."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.support import sample

MODEL, UPSTREAM = "m1", "up-m1"
CHAT = "/v1/chat/completions"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CAP = ',"max_tokens":1024}'  # the model's own maximum: alice-co has a budget
HELLO = '{"role": "user", "content": "hi"}'
ALL_OF_IT = (
    '{"messages":[{"role":"user","content":[{"type":"text","text":"\\u00e9 \\ud83d\\ude00 \u00e9\\/"},'
    '{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}}]}],'
    '"model":%s,"temperature":1.0e0,"top_p":0.10,"seed":9007199254740993,"n":2,"logprobs":true,"top_logprobs":3,'
    '"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{}}}}],'
    '"tool_choice":"auto","parallel_tool_calls":false,"logit_bias":{"50256":-100},'
    '"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"b":1,"a":{"model":"inner"}}}},'
    '"reasoning_effort":"low","metadata":{"a":null},"not_invented_yet":{"deep":[1,2.50,{"x":[]}]},"user":""}'
)


async def post(gateway, body, key=sample.ALICE, path=CHAT, **headers):
    headers = {"content-type": "application/json", **headers}
    async with gateway.client(key) as client:
        return await client.post(path, content=body, headers=headers)


def sent_for(upstream, answer):
    [seen] = upstream.seen(call=answer.headers["x-request-id"])
    return seen


async def test_every_field_known_or_not_arrives_as_the_bytes_that_were_written(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    answer = await post(shared_gateway, (ALL_OF_IT % f'"{MODEL}"').encode())
    assert answer.status_code == 200, answer.text
    expected = (ALL_OF_IT % f'"{UPSTREAM}"').encode()[:-1] + CAP.encode()
    seen = sent_for(upstream, answer)
    assert seen["body"] == expected.decode()
    assert seen["body_sha256"] == hashlib.sha256(expected).hexdigest()
    assert len(answer.json()["choices"]) == 2


@pytest.mark.parametrize(("trace_parent", "is_sent"), [(TRACE, True), (TRACE + "0" * 30_000, False)])
async def test_valid_traceparent_is_passed_to_the_provider(shared_gateway, upstream, trace_parent, is_sent):
    upstream.script(UPSTREAM, {})
    answer = await post(
        shared_gateway, f'{{"model":"{MODEL}","messages":[{HELLO}]}}', traceparent=trace_parent
    )
    assert answer.status_code == 200, answer.text
    assert ("traceparent" in sent_for(upstream, answer)["headers"]) is is_sent


async def test_stream_request_differs_only_in_asking_for_usage(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    body = f'{{"stream":true,"messages":[{HELLO}],"x":1.50,"model":"{MODEL}"}}'
    answer = await post(shared_gateway, body)
    assert sent_for(upstream, answer)["body"] == (
        f'{{"stream":true,"messages":[{HELLO}],"x":1.50,"model":"{UPSTREAM}",'
        '"stream_options":{"include_usage":true}' + CAP
    )


async def test_stream_options_of_the_client_are_kept(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    body = f'{{"model":"{MODEL}","stream":true,"stream_options":{{"other":1}},"messages":[{HELLO}]}}'
    sent = json.loads(sent_for(upstream, await post(shared_gateway, body))["body"])
    assert sent["stream_options"] == {"other": 1, "include_usage": True}


async def test_repeated_model_member_counts_as_its_last_value(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    answer = await post(shared_gateway, f'{{"model":"nowhere","messages":[{HELLO}],"model":"{MODEL}"}}')
    assert answer.status_code == 200, answer.text
    assert json.loads(sent_for(upstream, answer)["body"])["model"] == UPSTREAM


async def test_the_key_of_the_client_never_reaches_the_provider(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    answer = await post(
        shared_gateway, f'{{"model":"{MODEL}","messages":[{HELLO}]}}', cookie="a=b", **{"x-own": "1"}
    )
    seen = sent_for(upstream, answer)
    assert seen["authorization_sha256"] == hashlib.sha256(b"Bearer upstream-secret").hexdigest()
    assert not {"cookie", "x-own", "x-forwarded-for"} & set(seen["headers"])


async def test_the_answer_is_the_providers_with_the_alias_in_it(shared_gateway, upstream):
    said = (
        '{"id":"c-1","object":"chat.completion","created":17.50,"model":"secret-name-2024",'
        '"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":'
        '[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\\"model\\": \\"mine\\"}"}}]},'
        '"logprobs":{"content":[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[]}]},'
        '"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},'
        '"system_fingerprint":"fp","new_field":{"\\u00e9":1e2}}'
    )
    upstream.script(UPSTREAM, {"kind": "status", "status": 200, "body": said})
    answer = await post(shared_gateway, f'{{"model":"{MODEL}","messages":[{HELLO}]}}')
    assert answer.text == said.replace("secret-name-2024", MODEL)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-gateway-cost-usd"] == "0.000011"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_content_type_may_have_parameters(shared_gateway, upstream, content_type):
    upstream.script(UPSTREAM, {})
    body = f'{{"model":"{MODEL}","messages":[{HELLO}]}}'
    assert (await post(shared_gateway, body, **{"content-type": content_type})).status_code == 200


async def test_white_space_and_order_do_not_matter(shared_gateway, upstream):
    upstream.script(UPSTREAM, {})
    body = f' {{\n "messages" : [ {HELLO} ] ,\r\n\t"model" : "{MODEL}" }}\n'
    answer = await post(shared_gateway, body)
    assert sent_for(upstream, answer)["body"] == f'{{"messages":[ {HELLO} ],"model":"{UPSTREAM}"' + CAP
