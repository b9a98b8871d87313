"""A JSON schema is rewritten into one that the API accepts, always in the same way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.messages.writing.schema import cleaned
from tests.support.vendors.anthropic_rules import check_schema


def clean(schema: Any) -> tuple[Any, bool]:
    found = cleaned(json.dumps(schema).encode())
    return json.loads(bytes(found.schema)), found.is_exact


def test_objects_are_closed_at_every_level() -> None:
    inner = {"type": "object", "properties": {"b": {"type": "string"}}}
    document, is_exact = clean(
        {
            "type": "object",
            "properties": {
                "a": inner,
                "c": {"type": "array", "items": inner},
                "d": {"oneOf": [inner, {"type": "null"}]},
            },
            "$defs": {"e": inner},
        }
    )
    assert is_exact
    check_schema(document)
    assert document["properties"]["d"]["anyOf"][1] == {"type": "null"}
    assert "oneOf" not in document["properties"]["d"]


def test_bounds_are_told_in_the_description() -> None:
    document, _ = clean(
        {"type": "string", "minLength": 2, "pattern": "^a", "description": "A name.", "format": "x-y"}
    )
    assert document == {
        "type": "string",
        "description": "A name.\n\n{minLength: 2, pattern: ^a, format: x-y}",
    }


def test_what_is_accepted_stays() -> None:
    same = {"type": "array", "minItems": 1, "items": {"enum": ["a"], "title": "T", "default": "a"}}
    assert clean(same) == (same, True)
    assert clean({"type": "string", "format": "date-time"})[0]["format"] == "date-time"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}, "properties": {"a": {}}},
        {
            "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}},
            "$ref": "#/$defs/n",
        },
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "array", "prefixItems": [{"type": "string"}]},
    ],
)
def test_what_would_mean_something_else_is_not_exact(schema: Any) -> None:
    assert clean(schema)[1] is False


def test_a_definition_may_be_used_twice() -> None:
    use = {"$ref": "#/$defs/a"}
    schema = {"type": "object", "properties": {"x": use, "y": use}, "$defs": {"a": {"type": "string"}}}
    assert clean(schema)[1] is True


schemas = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "object", "null"])})
    | st.fixed_dictionaries({"minimum": st.integers(), "maxItems": st.integers(0, 3), "minItems": st.integers(0, 3)}),
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.text(max_size=3), inner, max_size=3)}
        )
        | st.fixed_dictionaries({"oneOf": st.lists(inner, max_size=3), "minimum": st.integers()})
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner})
    ),
    max_leaves=20,
)  # fmt: skip


@given(schemas)
def test_every_schema_becomes_one_that_is_accepted(schema: Any) -> None:
    document, _ = clean(schema)
    check_schema(document)
    assert clean(document)[0] == document
    assert cleaned(json.dumps(schema).encode()).schema == cleaned(json.dumps(schema).encode()).schema
