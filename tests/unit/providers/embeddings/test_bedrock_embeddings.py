"""Embeddings of OpenAI's API become requests of Bedrock's models, and their vectors OpenAI's response."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.parameters import Unsupported
from providers.dialects.base import Shape
from providers.dialects.embeddings import MOST_TEXTS, Embeddings
from providers.embeddings.bedrock import TOKENS
from providers.json_scan.limits import MalformedAnswer
from providers.model_facts import ModelFacts
from providers.target import Secret, Target

TITAN = ModelFacts(vendor="amazon", embedding_dimensions=(256, 512, 1024))
TITAN_V1 = ModelFacts(vendor="amazon", embedding_dimensions=(1536,))
COHERE = ModelFacts(vendor="cohere")
NOVA = ModelFacts(vendor="amazon", embeddings_api="nova", embedding_dimensions=(256, 384, 1024, 3072))


def target(facts: ModelFacts = TITAN, **metadata: str) -> Target:
    return Target(
        id=1, alias="vectors", name="d", provider="bedrock", upstream_model="m", base_url="https://b.example",
        secret=Secret(""), api="bedrock", facts=facts, metadata=metadata,
    )  # fmt: skip


def dialect() -> Embeddings:
    return Embeddings(Shape(alias="vectors", path="embeddings", content_key="data"))


def bodies(asked: dict[str, Any], facts: ModelFacts = TITAN, **metadata: str) -> list[Any]:
    raw = json.dumps({"model": "vectors", **asked}).encode()
    return [json.loads(body) for body in dialect().bodies(raw, target(facts, **metadata))]


def test_titan_gets_one_text_in_each_request() -> None:
    assert bodies({"input": ["a", "b"], "user": "someone"}) == [{"inputText": "a"}, {"inputText": "b"}]
    assert bodies({"input": "a", "dimensions": 256, "normalize": False}) == [
        {"inputText": "a", "dimensions": 256, "normalize": False}
    ]


def test_a_model_with_one_size_of_vectors_is_not_asked_for_it() -> None:
    assert bodies({"input": "a", "dimensions": 1536}, TITAN_V1) == [{"inputText": "a"}]


def test_cohere_gets_batches_and_the_kind_of_input() -> None:
    sent = bodies({"input": ["x"] * 200}, COHERE)
    assert [len(each["texts"]) for each in sent] == [96, 96, 8]
    assert {each["input_type"] for each in sent} == {"search_document"}
    (asked,) = bodies({"input": "x", "input_type": "search_query", "dimensions": 512}, COHERE)
    assert (asked["input_type"], asked["output_dimension"]) == ("search_query", 512)
    (stated,) = bodies({"input": "x"}, COHERE, input_type="classification")
    assert stated["input_type"] == "classification"


def test_nova_gets_its_own_format() -> None:
    assert bodies({"input": "x", "dimensions": 384}, NOVA) == [
        {
            "taskType": "SINGLE_EMBEDDING",
            "singleEmbeddingParams": {
                "embeddingPurpose": "GENERIC_INDEX",
                "embeddingDimension": 384,
                "text": {"truncationMode": "NONE", "value": "x"},
            },
        }
    ]


def test_the_facts_of_a_model_bound_its_batch() -> None:
    few = ModelFacts(vendor="cohere", max_batch=2)
    assert [len(each["texts"]) for each in bodies({"input": ["x"] * 3}, few)] == [2, 1]


@pytest.mark.parametrize(
    ("asked", "member"),
    [
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": ["x", 1]}, "input"),
        ({"input": ["x"] * (MOST_TEXTS + 1)}, "input"),
        ({"input": "x", "dimensions": 1025}, "dimensions"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "dimensions": True}, "dimensions"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "x", "input_type": "search_query"}, "input_type"),
        ({"input": "x", "late_chunking": True}, "late_chunking"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_name(asked: dict[str, Any], member: str) -> None:
    with pytest.raises(Unsupported) as refused:
        bodies(asked)
    assert refused.value.member == member


def answered(asked: dict[str, Any], responses: list[tuple[Any, dict[str, str]]], facts: ModelFacts) -> Any:
    made = dialect()
    made.bodies(json.dumps({"model": "vectors", **asked}).encode(), target(facts))
    parts = [
        made.part(at, json.dumps(body).encode(), headers) for at, (body, headers) in enumerate(responses)
    ]
    found = made.joined(parts)
    return json.loads(found.body), found.usage


def test_titans_vectors_and_tokens_are_joined_in_order() -> None:
    body, usage = answered(
        {"input": ["a", "b"]},
        [
            ({"embedding": [0.5, -1], "inputTextTokenCount": 3}, {}),
            ({"embedding": [2, 0.25], "inputTextTokenCount": 4}, {}),
        ],
        TITAN,
    )
    assert body == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
            {"object": "embedding", "index": 1, "embedding": [2, 0.25]},
        ],
        "model": "vectors",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    assert usage.input_tokens == 7
    assert usage.output_tokens == 0


@pytest.mark.parametrize("shape", [[[1.0], [2.0]], {"float": [[1.0], [2.0]]}])
def test_coheres_tokens_are_in_a_header(shape: Any) -> None:
    body, usage = answered({"input": ["a", "b"]}, [({"embeddings": shape}, {TOKENS: "9"})], COHERE)
    assert [each["embedding"] for each in body["data"]] == [[1.0], [2.0]]
    assert usage.input_tokens == 9


def test_usage_that_one_response_lacks_is_unknown_and_never_zero() -> None:
    responses: list[tuple[Any, dict[str, str]]] = [
        ({"embedding": [1], "inputTextTokenCount": 3}, {}),
        ({"embedding": [1]}, {}),
    ]
    _, usage = answered({"input": ["a", "b"]}, responses, TITAN)
    assert usage is None


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_base64_holds_the_numbers_as_little_endian_floats(numbers: list[float]) -> None:
    asked = {"input": "a", "encoding_format": "base64"}
    body, _ = answered(asked, [({"embeddings": [{"embedding": numbers}]}, {TOKENS: "1"})], NOVA)
    packed = base64.b64decode(body["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(numbers)}f", packed)) == numbers


@pytest.mark.parametrize(
    "response",
    [{}, {"embedding": None}, {"embedding": {"float": [1]}}, [], {"embedding": "words"}],
)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_response_without_a_vector_is_malformed(response: Any, encoding: str) -> None:
    with pytest.raises(MalformedAnswer):
        answered({"input": "a", "encoding_format": encoding}, [(response, {})], TITAN)


def test_a_response_that_lacks_a_vector_is_malformed_and_its_tokens_are_known() -> None:
    with pytest.raises(MalformedAnswer) as fault:
        answered({"input": ["a", "b"]}, [({"embeddings": [[1.0]]}, {TOKENS: "9"})], COHERE)
    assert fault.value.usage is not None
    assert fault.value.usage.input_tokens == 9
