from __future__ import annotations

import base64
import copy
import json

import pytest

from tests.support.vendors.simulated import ask, frames, refused, streamed, whole

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
LLAMA = "meta.llama4-maverick-17b-instruct-v1%3A0"
SPEC = {
    "name": "get_weather",
    "description": "d",
    "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
THINKS = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
POINT = {"cachePoint": {"type": "default"}}
LONG = "A rule that must be kept. " * 300


def said(*blocks, **more):
    content = [{"text": block} if isinstance(block, str) else block for block in blocks]
    return {
        "messages": [{"role": "user", "content": content}],
        "inferenceConfig": {"maxTokens": 3000},
        **more,
    }


def converse(body, model=CLAUDE, **more):
    return ask(f"/model/{model}/converse", body, **more)


def turn_after(body, answer):
    message = answer["output"]["message"]
    results = [
        {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": "21 degrees"}]}}
        for block in message["content"]
        if "toolUse" in block
    ]
    return {**body, "messages": [*body["messages"], message, {"role": "user", "content": results}]}


def add(block, delta):
    """Add a delta to its block."""
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "redactedContent" in delta["reasoningContent"]:
        block["reasoningContent"] = delta["reasoningContent"]
    else:
        text = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        text["text"] += delta["reasoningContent"].get("text", "")
        text |= {"signature": delta["reasoningContent"].get("signature")}


def folded(events):
    """Return content, stop reason and usage as the events build them up."""
    blocks, reason, usage = {}, None, None
    for kind, payload in events:
        assert payload.pop("p")
        if kind == "contentBlockStart":
            blocks[payload["contentBlockIndex"]] = {"toolUse": {**payload["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            add(blocks.setdefault(payload["contentBlockIndex"], {}), payload["delta"])
        elif kind == "messageStop":
            assert usage is None
            reason = payload["stopReason"]
        elif kind == "metadata":
            assert reason is not None
            usage = payload["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return [blocks[index] for index in sorted(blocks)], reason, usage


@pytest.mark.parametrize(
    "body",
    [
        said("Hello"),
        said("[parallel tools with text] weather", toolConfig=TOOLS),
        said("[redact][tools] weather", toolConfig=TOOLS, additionalModelRequestFields=THINKS),
        said("[refuse]"),
    ],
)
def test_a_stream_folds_into_the_document(body):
    content, reason, usage = folded(frames(streamed(ask(f"/model/{CLAUDE}/converse-stream", body))))
    document = whole(converse(body))
    assert document["output"]["message"]["content"] == content
    assert (document["stopReason"], document["usage"]) == (reason, usage)


def test_a_cache_point_writes_a_prefix_once_and_then_reads_it():
    system = [{"text": f"converse {LONG}"}, POINT]
    first = whole(converse(said("one", system=system)))["usage"]
    second = whole(converse(said("two", system=system)))["usage"]
    assert first["cacheDetails"] == [{"ttl": "5m", "inputTokens": second["cacheReadInputTokens"]}]
    assert second["cacheReadInputTokens"] > 1024
    assert second["totalTokens"] == sum(
        second[f"{name}Tokens"] for name in ("input", "output", "cacheReadInput")
    )


def test_reasoning_may_come_back_as_it_was_and_not_otherwise():
    body = said("[tools] weather", toolConfig=TOOLS, additionalModelRequestFields=THINKS)
    answer = whole(converse(body))
    altered = copy.deepcopy(answer)
    altered["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]["text"] += "!"
    assert whole(converse(turn_after(body, answer)))["stopReason"] == "end_turn"
    assert "Invalid `signature`" in refused(converse(turn_after(body, altered)))
    foreign = converse(turn_after(body, answer), account="two")
    assert foreign.bill is not None
    assert "foreign" in foreign.bill.notes[0]


DOCUMENT = {"document": {"format": "pdf", "name": "document-1", "source": {"bytes": "aGk="}}}
USE = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]}
RESULT = {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}
FORCED = {**TOOLS, "toolChoice": {"any": {}}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (said(" "), "blank"),
        (said(), "empty"),
        (said({"text": "a", "image": {"format": "png", "source": {"bytes": "aGk="}}}), "exactly one"),
        ({"messages": [*said("a")["messages"], *said("b")["messages"]]}, "alternate"),
        (
            {"messages": [*said("a")["messages"], USE, *said("b")["messages"]], "toolConfig": TOOLS},
            "Expected toolResult",
        ),
        ({"messages": said(RESULT)["messages"], "toolConfig": TOOLS}, "exceeds the number of toolUse"),
        (
            {"messages": [*said("a")["messages"], USE, *said(RESULT)["messages"]]},
            "toolConfig field must be defined",
        ),
        (said(DOCUMENT), "text block must be included"),
        (said("a", DOCUMENT, DOCUMENT), "unique"),
        (said("a", DOCUMENT, POINT), "after a document"),
        (said(POINT), "first element"),
        (said("a", *[POINT, "b"] * 5), "maximum of 4"),
        (said("a", inferenceConfig={"topK": 1}), "topK"),
        (said("a", inferenceConfig={"temperature": 1.5}), "temperature"),
        (said("a", additionalModelRequestFields={"top_q": 1}), "Extra inputs are not permitted"),
        (said("a", toolConfig=FORCED, additionalModelRequestFields=THINKS), "Thinking may not be enabled"),
        (said("a", toolConfig={"tools": [{"toolSpec": {**SPEC, "description": ""}}]}), "description"),
    ],
)
def test_what_converse_refuses_is_refused(body, message):
    response = converse(body)
    assert message in refused(response)
    assert response.headers["x-amzn-errortype"].startswith("ValidationException:")


def test_results_stand_alone_where_the_model_wants_it():
    user = {"role": "user", "content": [RESULT, {"text": "so"}]}
    body = {"messages": [*said("a")["messages"], USE, user], "toolConfig": TOOLS}
    assert whole(converse(body))["stopReason"] == "end_turn"
    assert "beside other content" in refused(converse(body, LLAMA))
    alone = {**body, "messages": [*said("a")["messages"], USE, *said(RESULT)["messages"]]}
    assert "9 characters" in refused(converse(alone, "mistral.mistral-large-2407-v1%3A0"))
    assert "Expected `thinking`" in refused(converse({**alone, "additionalModelRequestFields": THINKS}))


def test_rules_depend_on_the_model():
    assert "toolChoice.any" in refused(converse(said("a", toolConfig=FORCED), LLAMA))
    shape = {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": '{"type":"object","additionalProperties":false}'}},
    }
    assert (
        whole(converse(said("a", outputConfig={"textFormat": shape})))["output"]["message"]["content"][0][
            "text"
        ]
        == "{}"
    )
    assert "structured output" in refused(converse(said("a", outputConfig={"textFormat": shape}), LLAMA))


def test_invoke_takes_the_bodies_of_anthropic():
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    answer = whole(ask(f"/model/{CLAUDE}/invoke", body))
    chunks = frames(streamed(ask(f"/model/{CLAUDE}/invoke-with-response-stream", body)))
    events = [json.loads(base64.b64decode(payload["bytes"])) for _, payload in chunks]
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert text == answer["content"][0]["text"]
    assert metrics["outputTokenCount"] == answer["usage"]["output_tokens"]
    assert "model: Extra" in refused(ask(f"/model/{CLAUDE}/invoke", {**body, "model": "x"}))
    assert "anthropic_version" in refused(ask(f"/model/{CLAUDE}/invoke", {"max_tokens": 1}))


def test_tokens_are_counted_of_models_without_a_geo_prefix():
    model, body = CLAUDE.removeprefix("us."), said("How many?")
    counted = whole(
        ask(f"/model/{model}/count-tokens", {"input": {"converse": {"messages": body["messages"]}}})
    )
    assert counted["inputTokens"] == whole(converse(body, model))["usage"]["inputTokens"]
    assert "identifier" in refused(ask(f"/model/{CLAUDE}/count-tokens", {"input": {}}))


@pytest.mark.parametrize(
    ("model", "body", "vector"),
    [
        (
            "amazon.titan-embed-text-v2:0",
            {"inputText": "hi", "dimensions": 256},
            lambda made: made["embedding"],
        ),
        (
            "cohere.embed-v4:0",
            {"texts": ["hi"], "input_type": "search_query", "output_dimension": 256},
            lambda made: made["embeddings"][0],
        ),
        (
            "cohere.embed-v4:0",
            {
                "texts": ["hi"],
                "input_type": "search_query",
                "output_dimension": 256,
                "embedding_types": ["float"],
            },
            lambda made: made["embeddings"]["float"][0],
        ),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {"embeddingDimension": 256, "text": {"value": "hi"}},
            },
            lambda made: made["embeddings"][0]["embedding"],
        ),
    ],
)
def test_embeddings_have_each_models_form(model, body, vector):
    response = ask(f"/model/{model.replace(':', '%3A')}/invoke", body)
    assert len(vector(whole(response))) == 256
    assert response.headers["x-amzn-bedrock-input-token-count"] == "1"
    assert "not permitted" in refused(ask(f"/model/{model}/invoke", {**body, "x": 1}))


def test_an_error_in_the_stream_is_an_exception_frame():
    events = frames(streamed(ask(f"/model/{CLAUDE}/converse-stream", said("[error in stream]"))))
    assert events[0][0] == "messageStart"
    assert events[-1][0] == "modelStreamErrorException"
    assert refused(converse(said("[error 429]")), 429)
