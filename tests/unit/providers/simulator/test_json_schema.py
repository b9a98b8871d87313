from __future__ import annotations

import pytest

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.json_schema import Instance
from providers.simulator.core.text import Seed
from providers.simulator.server import answer


def made(schema, words=("Paris",)):
    return Instance(schema, Seed(b"seed"), list(words)).build()


@pytest.mark.parametrize(
    ("schema", "holds"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 3}, lambda value: value == 3),
        (
            {"type": "integer", "exclusiveMinimum": 10, "multipleOf": 7},
            lambda value: value > 10 and value % 7 == 0,
        ),
        ({"type": "integer", "maximum": -5}, lambda value: value <= -5),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.1}, lambda value: 1 < value < 1.1),
        ({"type": "string", "minLength": 12, "maxLength": 12}, lambda value: len(value) == 12),
        ({"type": "string", "maxLength": 2}, lambda value: len(value) <= 2),
        ({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}, lambda value: value == "2026-01-15"),
        ({"type": "string", "format": "email"}, lambda value: "@" in value),
        ({"type": "string"}, lambda value: value == "Paris"),
        ({"enum": [4]}, lambda value: value == 4),
        ({"const": None}, lambda value: value is None),
        ({"type": ["null", "boolean"]}, lambda value: value in (True, False)),
        ({"type": "array", "minItems": 3, "items": {"type": "null"}}, lambda value: value == [None] * 3),
        (
            {"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False},
            lambda value: value == [1, 2],
        ),
        (
            {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "minItems": 2},
            lambda v: len(v) == 2,
        ),
        ({"type": "object", "additionalProperties": {"const": 1}}, lambda value: list(value.values()) == [1]),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
            lambda v: len(v) == 2,
        ),
        ({"anyOf": [{"type": "null"}, {"const": 5}]}, lambda value: value in (None, 5)),
    ],
)
def test_generator_makes_what_the_schema_accepts(schema, holds):
    assert holds(made(schema))


def test_generator_ends_recursive_schemas():
    node = {
        "type": "object",
        "properties": {
            "left": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
            "right": {"$ref": "#/$defs/list"},
        },
        "required": ["left", "right"],
    }
    tree = made(
        {"$ref": "#/$defs/n", "$defs": {"n": node, "list": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}
    )
    assert tree.keys() == {"left", "right"}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"type": "array", "minItems": 10**9},
        {"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 10**7},
        {"type": "string", "minLength": 10**12},
        {"type": "string", "pattern": "(a+)+$"},
        {"type": "object", "minProperties": 10**8},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"$ref": "#/$defs/nowhere"},
    ],
)
def test_generator_refuses_what_would_never_end(schema):
    with pytest.raises(SimulatorError):
        made(schema)


@pytest.mark.parametrize(
    "schema", ['{"properties":[1]}', '{"type":"integer","minimum":"a"}', '{"pattern":"["}']
)
def test_a_broken_schema_is_the_clients_mistake(schema):
    body = '{"model":"m","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema",'
    body += '"json_schema":{"name":"x","schema":' + schema + "}}}"
    reply = answer("POST", "/v1/chat/completions", body.encode())
    assert reply.status == 400
    assert b'"param":"response_format"' in reply.body
