"""Rewrites a client's JSON schema into the subset that Gemini accepts; results are cached by the schema's hash.

Kept: the keywords below. `$ref` nodes hold nothing else, `allOf` is merged, `const` becomes an enum of one value,
`definitions` becomes `$defs`; every other keyword is dropped, because Gemini answers 400 to it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from providers.conversation.parameters import Unsupported

_KEPT: Final = frozenset(
    {
        "$id", "$anchor", "type", "format", "title", "description", "enum", "minItems", "maxItems", "minimum",
        "maximum", "required", "propertyOrdering",
    }
)  # fmt: skip
_LISTS: Final = ("prefixItems", "anyOf", "oneOf")
MOST_NODES: Final = 20_000  # of the result: merging can multiply a small schema
MOST_DEPTH: Final = 100
MOST_CACHED: Final = 8 * 1024 * 1024  # bytes of results
_MOST_STEPS: Final = 32  # of references that lead to references


class _Cache:
    """Results by hash, the least recently used one is dropped first."""

    __slots__ = ("_found", "_size")

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def get(self, schema: bytes, make: Callable[[bytes], bytes]) -> bytes:
        key = hashlib.blake2b(schema, digest_size=20).digest()
        found = self._found.get(key)
        if found is not None:
            self._found.move_to_end(key)
            return found
        made = self._found[key] = make(schema)
        self._size += len(made)
        while self._size > MOST_CACHED and self._found:
            self._size -= len(self._found.popitem(last=False)[1])
        return made


_CACHE: Final = _Cache()


def cleaned(schema: bytes, member: str) -> bytes:
    """Return the schema for Gemini. Raises Unsupported, with the client's name of the member that holds it."""
    try:
        return _CACHE.get(schema, _clean)
    except msgspec.DecodeError:
        raise Unsupported(member, "needs a JSON schema that is valid JSON") from None
    except (_TooLarge, RecursionError):
        raise Unsupported(member, "takes no JSON schema that is so large or so deeply nested") from None


def _clean(schema: bytes) -> bytes:
    document = msgspec.json.decode(schema)
    return msgspec.json.encode(_Cleaner(document).clean(document))


class _TooLarge(Exception):
    """The result would be too large or too deep."""


class _Cleaner:
    """Rewrites one document."""

    __slots__ = ("_defs", "_nodes_left")

    def __init__(self, document: Any) -> None:
        self._nodes_left = MOST_NODES
        self._defs: dict[str, Any] = {}
        if isinstance(document, dict):
            for name in ("definitions", "$defs"):
                if isinstance(document.get(name), dict):
                    self._defs |= document[name]

    def clean(self, document: Any) -> dict[str, Any]:
        """Return the root. Raises _TooLarge."""
        root = self._node(document, 0)
        if not self._defs:
            return root
        return {**root, "$defs": {name: self._node(node, 1) for name, node in self._defs.items()}}

    def _node(self, node: Any, depth: int) -> dict[str, Any]:
        self._nodes_left -= 1
        if depth > MOST_DEPTH or self._nodes_left < 0:
            raise _TooLarge
        if not isinstance(node, dict):
            return {}  # `true`: anything
        if isinstance(node.get("$ref"), str):
            return {"$ref": _local(node["$ref"])}
        merged = self._merged(node, depth)
        if "$ref" in merged:
            return {"$ref": merged["$ref"]}
        found = {name: value for name, value in merged.items() if name in _KEPT}
        if "const" in merged and "enum" not in found:
            found |= _one_value(merged["const"])
        for name in _LISTS:
            if isinstance(merged.get(name), list):
                found[name] = [self._node(each, depth + 1) for each in merged[name]]
        return found | self._inner(merged, depth + 1)

    def _inner(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Return the members that hold schemas, of objects and of arrays."""
        found: dict[str, Any] = {}
        items, properties, more = node.get("items"), node.get("properties"), node.get("additionalProperties")
        if isinstance(items, list):  # JSON Schema before 2020-12
            found["prefixItems"] = [self._node(each, depth) for each in items]
        elif isinstance(items, dict):
            found["items"] = self._node(items, depth)
        if isinstance(properties, dict):
            found["properties"] = {name: self._node(each, depth) for name, each in properties.items()}
        if isinstance(more, dict):
            found["additionalProperties"] = self._node(more, depth)
        elif isinstance(more, bool):
            found["additionalProperties"] = more
        return found

    def _merged(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        """Return a node with the members of its `allOf` in it."""
        parts = node.get("allOf")
        if not isinstance(parts, list):
            return node
        own = {name: value for name, value in node.items() if name != "allOf"}
        if len(parts) == 1 and isinstance(parts[0], dict) and "$ref" in parts[0] and not _KEPT & own.keys():
            return {"$ref": _local(str(parts[0]["$ref"]))}
        for part in parts:
            self._nodes_left -= 1
            if depth > MOST_DEPTH or self._nodes_left < 0:
                raise _TooLarge
            target = self._referred(part)
            if isinstance(target, dict):
                own = _joined(own, self._merged(target, depth + 1))
        return own

    def _referred(self, node: Any) -> Any:
        """Return what a node of `allOf` refers to, or the node."""
        for _ in range(_MOST_STEPS):
            ref = node.get("$ref") if isinstance(node, dict) else None
            if not isinstance(ref, str):
                return node
            node = self._defs.get(_local(ref).removeprefix("#/$defs/"))
        raise _TooLarge


def _local(ref: str) -> str:
    return "#/$defs/" + ref.removeprefix("#/definitions/") if ref.startswith("#/definitions/") else ref


def _one_value(value: Any) -> dict[str, Any]:
    """Return the schema of one constant; Gemini's enums hold texts and numbers."""
    if value is None:
        return {"type": "null"}
    if isinstance(value, bool):
        return {"type": "boolean"}
    return {"enum": [value]} if isinstance(value, str | int | float) else {}


def _joined(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Return both: properties and requirements of the two, else the left one's value."""
    joined = {**right, **left}
    if isinstance(left.get("properties"), dict) and isinstance(right.get("properties"), dict):
        joined["properties"] = {**right["properties"], **left["properties"]}
    if isinstance(left.get("required"), list) and isinstance(right.get("required"), list):
        joined["required"] = list(dict.fromkeys([*left["required"], *right["required"]]))
    return joined
