from __future__ import annotations

import copy

import pytest

from tests.support.vendors.simulated import ask, refused, sse, streamed, whole

DEVELOPER = "/v1beta/models"
VERTEX = "/v1beta1/projects/p/locations/global/publishers/google/models"
THIRD, SECOND = "gemini-3-pro", "gemini-2.5-flash"
TOOL = {
    "name": "get_weather",
    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TOOLS = [{"functionDeclarations": [TOOL]}]
LONG = "A rule that must be kept. " * 300


def said(text, **more):
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


def generate(body, model=THIRD, base=DEVELOPER, **more):
    return ask(f"{base}/{model}:generateContent", body, **more)


def stream(body, model=THIRD):
    return sse(streamed(ask(f"{VERTEX}/{model}:streamGenerateContent?alt=sse", body)))


def turn_after(body, answer):
    content = answer["candidates"][0]["content"]
    results = [
        {"functionResponse": {"name": part["functionCall"]["name"], "response": {"output": "21 degrees"}}}
        for part in content["parts"]
        if "functionCall" in part
    ]
    return {**body, "contents": [*body["contents"], content, {"role": "user", "parts": results}]}


@pytest.mark.parametrize(
    "body",
    [
        said("Hello"),
        said("[parallel tools with text] weather", tools=TOOLS),
        said("Hello", generationConfig={"thinkingConfig": {"includeThoughts": True}}),
        said("Hello", generationConfig={"candidateCount": 2}),
        said("Hello", generationConfig={"maxOutputTokens": 30}),
    ],
)
def test_a_stream_has_the_parts_the_reason_and_the_usage_of_the_document(body):
    chunks, document = stream(body), whole(generate(body, base=VERTEX))
    for index, candidate in enumerate(document["candidates"]):
        parts = [
            part
            for chunk in chunks
            for each in chunk["candidates"]
            if each.get("index", 0) == index
            for part in each["content"].get("parts", [])
        ]
        wanted = candidate["content"]["parts"]
        assert "".join(part.get("text", "") for part in parts) == "".join(
            part.get("text", "") for part in wanted
        )
        calls = [part for part in parts if "functionCall" in part]
        assert calls == [part for part in wanted if "functionCall" in part]
    assert chunks[-1]["candidates"][0]["finishReason"] == document["candidates"][-1]["finishReason"]
    assert chunks[-1]["usageMetadata"] == document["usageMetadata"]


def test_thoughts_are_counted_apart_and_shown_only_if_wanted():
    hidden = whole(generate(said("Hello")))
    shown = whole(generate(said("Hello", generationConfig={"thinkingConfig": {"includeThoughts": True}})))
    off = whole(generate(said("Hello", generationConfig={"thinkingConfig": {"thinkingBudget": 0}}), SECOND))
    usage = hidden["usageMetadata"]
    assert usage["thoughtsTokenCount"] > 0
    assert usage["totalTokenCount"] == sum(
        usage[f"{name}TokenCount"] for name in ("prompt", "candidates", "thoughts")
    )
    assert not any(part.get("thought") for part in hidden["candidates"][0]["content"]["parts"])
    assert shown["candidates"][0]["content"]["parts"][0]["thought"]
    assert "thoughtsTokenCount" not in off["usageMetadata"]


def test_signatures_of_calls_are_checked():
    body = said("[parallel tools] weather", tools=TOOLS)
    answer = whole(generate(body))
    parts = answer["candidates"][0]["content"]["parts"]
    assert ["thoughtSignature" in part for part in parts] == [True, False]
    assert whole(generate(turn_after(body, answer)))["candidates"][0]["finishReason"] == "STOP"
    assert "not valid" in refused(generate(turn_after(body, answer), account="two"))

    def with_signature(value):
        changed = copy.deepcopy(answer)
        part = changed["candidates"][0]["content"]["parts"][0]
        del part["thoughtSignature"]
        if value is not None:
            part["thoughtSignature"] = value
        return turn_after(body, changed)

    assert "missing a thought_signature" in refused(generate(with_signature(None)))
    assert "not valid" in refused(generate(with_signature("AAAA")))
    assert generate(with_signature("skip_thought_signature_validator")).status == 200
    assert generate(with_signature(None), SECOND).status == 200


def test_a_step_before_the_users_last_text_needs_no_signature():
    body = said("[tools] weather", tools=TOOLS)
    after = turn_after(body, whole(generate(body)))
    del after["contents"][1]["parts"][0]["thoughtSignature"]
    after["contents"] += [{"role": "model", "parts": [{"text": "Fine."}]}, said("Thanks")["contents"][0]]
    assert generate(after).status == 200


def test_prefixes_are_cached_without_a_mark():
    system = {"parts": [{"text": f"gemini {LONG}"}]}
    first = whole(generate(said("one", systemInstruction=system)))["usageMetadata"]
    second = whole(generate(said("two", systemInstruction=system)))["usageMetadata"]
    assert "cachedContentTokenCount" not in first
    assert 1024 < second["cachedContentTokenCount"] < second["promptTokenCount"]


def test_a_prompt_is_blocked_or_its_answer_where_the_prompt_asks_for_it():
    blocked, unsafe = whole(generate(said("[filter]"))), whole(generate(said("[refuse]")))
    assert blocked["promptFeedback"]["blockReason"]
    assert "candidates" not in blocked
    assert unsafe["candidates"][0]["finishReason"] == "SAFETY"


CALLS = {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {}}}]}
HI = said("Hi")["contents"][0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"contents": []}, "contents is not specified"),
        (said(""), "empty text"),
        (said("a", nonsense=1), 'Unknown name "nonsense"'),
        ({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}, "valid role"),
        (
            {
                "contents": [
                    {"role": "user", "parts": [{"text": "a", "inlineData": {"mimeType": "image/png"}}]}
                ]
            },
            "oneof",
        ),
        ({"contents": [HI, CALLS, HI], "tools": TOOLS}, "number of function response parts"),
        ({"contents": [CALLS], "tools": TOOLS}, "immediately after a user turn"),
        (said("a", toolConfig={"functionCallingConfig": {"mode": "ANY"}}), "without function_declarations"),
        (said("a", tools=TOOLS, cachedContent="c"), "CachedContent"),
        (said("a", generationConfig={"responseJsonSchema": {"type": "object"}}), "response_mime_type"),
        (
            said("a", generationConfig={"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}),
            "together",
        ),
        (said("a", generationConfig={"thinkingConfig": {"thinkingLevel": "MINIMAL"}}), "not supported"),
        (said("a", generationConfig={"stopSequences": list("abcdef")}), "5 stop sequences"),
        (said("a", tools=[{"functionDeclarations": [{"name": "1"}]}]), "Invalid function name"),
        (
            said("a", tools=[{"functionDeclarations": [{**TOOL, "parametersJsonSchema": {"allOf": []}}]}]),
            "Unsupported JSON schema keyword",
        ),
    ],
)
def test_what_gemini_refuses_is_refused(body, message):
    assert message in refused(generate(body))


def test_ids_of_calls_are_unknown_to_v1():
    body = {
        "contents": [HI, {"role": "model", "parts": [{"functionCall": {"name": "f", "id": "1"}}]}],
        "tools": TOOLS,
    }
    assert 'Unknown name "id"' in refused(generate(body, base=VERTEX.replace("v1beta1", "v1")))


def test_without_server_sent_events_a_stream_is_one_array():
    raw = streamed(ask(f"{DEVELOPER}/{THIRD}:streamGenerateContent", said("Hi")))
    assert raw.startswith(b"[{")
    assert raw.endswith(b"}\n]")


def test_tokens_are_counted_and_texts_embedded():
    body = said("How many?")
    counted = whole(ask(f"{VERTEX}/{THIRD}:countTokens", body))["totalTokens"]
    assert counted == whole(generate(body))["usageMetadata"]["promptTokenCount"]
    one = {"content": {"parts": [{"text": "hi"}]}, "embedContentConfig": {"outputDimensionality": 64}}
    single = whole(ask(f"{VERTEX}/gemini-embedding-2:embedContent", one))["embedding"]["values"]
    several = whole(ask(f"{VERTEX}/gemini-embedding-2:batchEmbedContents", {"requests": [one, one]}))[
        "embeddings"
    ]
    old = whole(
        ask(
            f"{VERTEX}/text-embedding-005:predict",
            {"instances": [{"content": "hi"}], "parameters": {"outputDimensionality": 64}},
        )
    )
    assert several == [{"values": single}] * 2
    assert old["predictions"][0]["embeddings"]["values"] == single


def test_claude_on_vertex_takes_bodies_of_anthropic():
    base = VERTEX.replace("google", "anthropic")
    body = {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    answer = whole(ask(f"{base}/claude-sonnet-4-5@20250929:rawPredict", body))
    events = sse(
        streamed(ask(f"{base}/claude-sonnet-4-5@20250929:streamRawPredict", {**body, "stream": True}))
    )
    assert events[-2]["usage"] == answer["usage"]
    counting = {**body, "model": "claude-sonnet-4-5"}
    assert (
        whole(ask(f"{base}/count-tokens:rawPredict", counting))["input_tokens"]
        == answer["usage"]["input_tokens"]
    )
    assert "model: Extra" in refused(ask(f"{base}/claude-sonnet-4-5:rawPredict", counting))


def test_errors_are_googles_before_and_in_the_stream():
    assert refused(generate(said("[error 429]")), 429)
    assert stream(said("[error in stream]"))[-1]["error"]["status"] == "UNAVAILABLE"
    assert "finishReason" not in stream(said("[cut]"))[-1]["candidates"][0]
