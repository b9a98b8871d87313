"""A client's JSON schema reaches Gemini with nothing that it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.gemini import schema as schemas
from providers.conversation.gemini.schema import cleaned
from providers.conversation.parameters import Unsupported


def clean(schema: Any) -> Any:
    return json.loads(cleaned(json.dumps(schema).encode(), "tools"))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {
                "type": "object",
                "properties": {"b": {"type": "string"}, "a": {"const": "x"}},
                "required": ["b"],
            },
            {
                "type": "object",
                "required": ["b"],
                "properties": {"b": {"type": "string"}, "a": {"enum": ["x"]}},
            },
        ),
        (
            {"$schema": "x", "default": 1, "pattern": "y", "minLength": 1, "type": "string"},
            {"type": "string"},
        ),
        (
            {"$ref": "#/$defs/A", "description": "lost", "$defs": {"A": True}},
            {"$ref": "#/$defs/A", "$defs": {"A": {}}},
        ),
        (
            {
                "properties": {"x": {"$ref": "#/definitions/A"}},
                "definitions": {"A": {"type": "null", "x": 1}},
            },
            {"properties": {"x": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "null"}}},
        ),
        ({"const": None}, {"type": "null"}),
        ({"const": True}, {"type": "boolean"}),
        (
            {"type": "array", "items": [{"type": "string"}, True]},
            {"type": "array", "prefixItems": [{"type": "string"}, {}]},
        ),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"additionalProperties": {"not": {}}}, {"additionalProperties": {}}),
        ({"anyOf": [{"type": "string", "maxLength": 3}, {"if": {}}]}, {"anyOf": [{"type": "string"}, {}]}),
        (
            {
                "allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"$ref": "#/$defs/B"}],
                "$defs": {"B": {"properties": {"b": {}}, "required": ["b"], "type": "object"}},
            },
            {
                "properties": {"b": {}, "a": {}},
                "required": ["a", "b"],
                "type": "object",
                "$defs": {"B": {"properties": {"b": {}}, "required": ["b"], "type": "object"}},
            },
        ),
        ({"allOf": [{"$ref": "#/$defs/B"}], "$defs": {"B": {}}}, {"$ref": "#/$defs/B", "$defs": {"B": {}}}),
        # Names of properties are no keywords.
        (
            {"properties": {"default": {"type": "string"}, "pattern": {}}},
            {"properties": {"default": {"type": "string"}, "pattern": {}}},
        ),
        (True, {}),
    ],
)
def test_a_schema_is_rewritten(schema: Any, expected: Any) -> None:
    assert clean(schema) == expected


def test_the_order_of_properties_is_kept() -> None:
    names = ["z", "a", "m", "b"]
    assert list(clean({"properties": {name: {} for name in names}})["properties"]) == names


def nested(depth: int) -> bytes:
    return b'{"items":' * depth + b"{}" + b"}" * depth


HOSTILE = [
    nested(5_000),
    nested(150),
    b'{"allOf":[{"$ref":"#/$defs/A"},{}],"$defs":{"A":{"$ref":"#/$defs/A"}}}',
    json.dumps(
        {
            "allOf": [{"$ref": "#/$defs/0"}, {}],
            "$defs": {
                str(at): {"allOf": [{"$ref": f"#/$defs/{at + 1}"}, {"$ref": f"#/$defs/{at + 1}"}, {}]}
                for at in range(60)
            },
        }
    ).encode(),
    json.dumps({"anyOf": [{}] * 30_000}).encode(),
]


@pytest.mark.parametrize("schema", HOSTILE)
def test_a_schema_that_would_grow_is_refused_by_the_clients_name(schema: bytes) -> None:
    with pytest.raises(Unsupported) as refused:
        cleaned(schema, "response_format")
    assert refused.value.member == "response_format"


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(Unsupported):
        cleaned(b"{", "tools")


def test_a_schema_is_cleaned_once_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "MOST_CACHED", 100)
    cache = schemas._Cache()  # noqa: SLF001
    made: list[bytes] = []

    def make(schema: bytes) -> bytes:
        made.append(schema)
        return schema * 40

    assert [cache.get(each, make) for each in (b"a", b"a", b"b", b"a", b"c", b"b")] == [
        each * 40 for each in (b"a", b"a", b"b", b"a", b"c", b"b")
    ]
    assert made == [b"a", b"b", b"c", b"b"]
