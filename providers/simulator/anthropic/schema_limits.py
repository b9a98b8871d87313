"""The JSON schemas that Claude accepts for structured output and strict tools. Pure."""

from __future__ import annotations

from typing import Any

from providers.simulator.core.errors import SimulatorError

_BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "oneOf",
)
_MOST_NODES = 5_000


def check_schema(schema: dict[str, Any], where: str) -> None:
    """Raises SimulatorError for what the vendor's compiler of schemas refuses."""
    definitions = {**_of(schema, "$defs"), **_of(schema, "definitions")}
    nodes = _nodes(schema)
    for node in nodes:
        for name in _BOUNDS:
            if name in node:
                raise SimulatorError(
                    f"{where}: For '{node.get('type')}' type, property '{name}' is not supported"
                )
        if node.get("minItems", 0) not in {0, 1}:
            raise SimulatorError(
                f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
            )
        is_object = node.get("type") == "object" or "properties" in node
        if is_object and node.get("additionalProperties") is not False:
            raise SimulatorError(
                f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )
    for name, definition in definitions.items():
        if isinstance(definition, dict) and _reaches(name, definition, definitions, set()):
            raise SimulatorError(f"{where}: Circular reference detected in schema definitions: {name}")


def _of(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found = schema.get(name)
    return found if isinstance(found, dict) else {}


def _nodes(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    stack = [schema]
    while stack and len(found) < _MOST_NODES:
        node = stack.pop()
        found.append(node)
        for name in ("properties", "$defs", "definitions"):
            stack += [inner for inner in _of(node, name).values() if isinstance(inner, dict)]
        for name in ("items", "additionalProperties"):
            if isinstance(node.get(name), dict):
                stack.append(node[name])
        for name in ("anyOf", "allOf", "prefixItems"):
            stack += [inner for inner in node.get(name) or () if isinstance(inner, dict)]
    return found


def _reaches(name: str, node: dict[str, Any], definitions: dict[str, Any], seen: set[str]) -> bool:
    for inner in _nodes(node):
        reference = inner.get("$ref")
        if not isinstance(reference, str):
            continue
        target = reference.rpartition("/")[2]
        if target == name:
            return True
        if target in definitions and target not in seen:
            seen.add(target)
            if isinstance(definitions[target], dict) and _reaches(
                name, definitions[target], definitions, seen
            ):
                return True
    return False
