"""Embeddings of OpenAI's API become requests of Vertex AI and Hugging Face, and their vectors OpenAI's response."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.parameters import Unsupported
from providers.dialects.base import Shape
from providers.dialects.choice import EMBEDDINGS, FACTORIES, upstream_api
from providers.dialects.embeddings import Embeddings
from providers.embeddings.vertex import MOST_BYTES
from providers.json_scan.limits import MalformedAnswer
from providers.model_facts import ModelFacts
from providers.registry import PROVIDERS
from providers.target import Secret, Target
from providers.usage import Usage

GEMINI = ModelFacts(vendor="google", embedding_dimensions=(768, 1536, 3072))
PREDICT = ModelFacts(vendor="google", embeddings_api="predict", max_batch=250)
ONE = ModelFacts(vendor="google", embeddings_api="embed_content")


def target(facts: ModelFacts = GEMINI, provider: str = "vertex", secret: str = "", **more: Any) -> Target:
    known = {"id": 1, "alias": "vectors", "name": "d", "upstream_model": "m", "facts": facts}
    known |= {
        "provider": provider,
        "base_url": PROVIDERS[provider].default_base_url,
        "secret": Secret(secret),
    }
    return Target(**{**known, **more})


HUGGING_FACE = target(ModelFacts(), "huggingface", "hf_x", upstream_model="BAAI/bge-m3")


def sent(asked: dict[str, Any], to: Target) -> tuple[Embeddings, list[Any]]:
    dialect = Embeddings(Shape(alias="vectors", path="embeddings", content_key="data"))
    raw = json.dumps({"model": "vectors", **asked}).encode()
    return dialect, [json.loads(body) for body in dialect.bodies(raw, to)]


def answered(asked: dict[str, Any], to: Target, answers: list[Any]) -> tuple[Any, Usage | None]:
    dialect, bodies = sent(asked, to)
    assert len(bodies) == len(answers)
    parts = [dialect.part(at, json.dumps(each).encode(), {}) for at, each in enumerate(answers)]
    found = dialect.joined(parts)
    return [each["embedding"] for each in json.loads(found.body)["data"]], found.usage


def test_one_text_is_embedded_and_several_are_in_one_batch() -> None:
    config = {"taskType": "RETRIEVAL_QUERY", "title": "t", "outputDimensionality": 768, "autoTruncate": False}
    asked = {"dimensions": 768, "task_type": "RETRIEVAL_QUERY", "title": "t"}
    one, (body,) = sent({"input": "a", **asked}, target())
    several, (batch,) = sent({"input": ["a", "b"], **asked}, target())

    assert body == {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": config}
    assert batch == {
        "requests": [{"content": {"parts": [{"text": each}]}, "embedContentConfig": config} for each in "ab"]
    }
    assert [one.path(target()), several.path(target())] == ["embedContent", "batchEmbedContents"]


def test_models_that_take_one_text_get_a_request_each() -> None:
    dialect, bodies = sent({"input": ["a", "b"]}, target(ONE))

    assert [body["content"] for body in bodies] == [{"parts": [{"text": "a"}]}, {"parts": [{"text": "b"}]}]
    assert dialect.path(target(ONE)) == "embedContent"


def test_the_gemini_api_has_its_own_members() -> None:
    to = target(secret="AIza", base_url="https://generativelanguage.googleapis.com")
    assert sent({"input": "a", "dimensions": 768}, to)[1] == [
        {"content": {"parts": [{"text": "a"}]}, "model": "models/m", "outputDimensionality": 768}
    ]


def test_older_models_predict() -> None:
    dialect, (body,) = sent(
        {"input": ["a", "b"], "task_type": "CLUSTERING", "dimensions": 64}, target(PREDICT)
    )

    assert body == {
        "instances": [
            {"content": "a", "task_type": "CLUSTERING"},
            {"content": "b", "task_type": "CLUSTERING"},
        ],
        "parameters": {"outputDimensionality": 64, "autoTruncate": False},
    }
    assert dialect.path(target(PREDICT)) == "predict"


def test_a_request_to_predict_holds_few_texts_and_few_bytes() -> None:
    def sizes(texts: list[str]) -> list[int]:
        return [len(body["instances"]) for body in sent({"input": texts}, target(PREDICT))[1]]

    assert sizes(["x"] * 600) == [250, 250, 100]
    assert sizes(["x" * (MOST_BYTES // 3)] * 5) == [3, 2]
    assert sizes(["x" * (2 * MOST_BYTES), "y"]) == [1, 1]


@pytest.mark.parametrize(
    ("asked", "facts", "answers", "vectors", "tokens"),
    [
        (
            {"input": "a"},
            GEMINI,
            [
                {
                    "embedding": {"values": [1, 0.5]},
                    "usageMetadata": {"promptTokenCount": 4},
                    "truncated": False,
                }
            ],
            [[1, 0.5]],
            4,
        ),
        (
            {"input": ["a", "b"]},
            GEMINI,
            [{"embeddings": [{"values": [1]}, {"values": [2]}], "usageMetadata": {"promptTokenCount": 7}}],
            [[1], [2]],
            7,
        ),
        ({"input": "a"}, GEMINI, [{"embedding": {"values": [1]}}], [[1]], None),
        (
            {"input": ["a", "b"]},
            PREDICT,
            [
                {
                    "predictions": [
                        {
                            "embeddings": {
                                "values": [1],
                                "statistics": {"token_count": 2.0, "truncated": False},
                            }
                        },
                        {"embeddings": {"values": [2], "statistics": {"token_count": 3}}},
                    ]
                }
            ],
            [[1], [2]],
            5,
        ),
        ({"input": "a"}, PREDICT, [{"predictions": [{"embeddings": {"values": [1]}}]}], [[1]], None),
    ],
)
def test_vectors_and_tokens_of_vertex(
    asked: dict[str, Any], facts: ModelFacts, answers: list[Any], vectors: Any, tokens: int | None
) -> None:
    found, usage = answered(asked, target(facts), answers)

    assert found == vectors
    assert (usage.input_tokens if usage is not None else None) == tokens


@pytest.mark.parametrize("wrong", [{}, {"embeddings": 3}, [], {"embeddings": [{"values": [1]}]}])
def test_what_holds_no_vector_for_each_text_is_malformed(wrong: Any) -> None:
    with pytest.raises(MalformedAnswer):
        answered({"input": ["a", "b"]}, target(), [wrong])


@pytest.mark.parametrize("asked", [{"task": "x"}, {"dimensions": 5}, {"auto_truncate": "yes"}])
def test_what_vertex_does_not_take_is_refused_by_name(asked: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as refused:
        sent({"input": "a", **asked}, target())
    assert refused.value.member in asked


def test_hugging_face_extracts_features_at_the_models_own_address() -> None:
    asked = {"input": ["a", "b"], "dimensions": 256, "normalize": True, "truncation_direction": "left"}
    dialect, (body,) = sent(asked, HUGGING_FACE)

    assert body == {
        "inputs": ["a", "b"],
        "dimensions": 256,
        "normalize": True,
        "truncation_direction": "left",
    }
    assert PROVIDERS["huggingface"].url(HUGGING_FACE, dialect.path(HUGGING_FACE)) == (
        "https://router.huggingface.co/hf-inference/models/BAAI/bge-m3/pipeline/feature-extraction"
    )
    assert answered({"input": ["a", "b"]}, HUGGING_FACE, [[[1, 0.5], [2, 0.5]]]) == (
        [[1, 0.5], [2, 0.5]],
        None,
    )
    assert answered({"input": "a"}, HUGGING_FACE, [[[1]]]) == ([[1]], None)


def test_a_vector_for_each_token_is_refused() -> None:
    with pytest.raises(MalformedAnswer, match="each token"):
        answered({"input": "a"}, HUGGING_FACE, [[[[1, 2], [3, 4]]]])


def test_an_endpoint_of_ones_own_may_have_openais_api() -> None:
    to = target(ModelFacts(), "huggingface", "hf_x", metadata={"embeddings": "openai"})

    assert upstream_api(EMBEDDINGS, HUGGING_FACE, has_tools=False) == "huggingface"
    assert upstream_api(EMBEDDINGS, to, has_tools=False) == "openai"
    assert {(EMBEDDINGS, "huggingface"), (EMBEDDINGS, "openai"), (EMBEDDINGS, "gemini")} <= set(FACTORIES)
