"""Rewrites a JSON schema for structured output: every object is closed, and what the API refuses is told in words.

Source: Anthropic's documentation, "Structured outputs: JSON Schema limitations". Bounds of numbers and lengths go into
the `description`, as Anthropic's SDKs do; `oneOf` becomes `anyOf`. The result of a schema is cached by its hash, so the
same schema always has the same bytes. Pure.
"""

from __future__ import annotations

import hashlib
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import msgspec
from cachetools import LRUCache

_DEEPEST: Final = 64
_MOST_CACHED: Final = 256
_LONGEST_CACHED: Final = 256 * 1024
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "$defs", "definitions")
_KEPT: Final = frozenset(
    {
        "type", "enum", "const", "$ref", "default", "title", "description", "required", "additionalProperties",
        "properties", "items", "anyOf", "allOf", "$defs", "definitions",
    }
)  # fmt: skip
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_SILENT: Final = frozenset({"$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly"})
_FEWEST: Final = (0, 1)  # the values of `minItems` that are accepted
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Cleaned(msgspec.Struct, frozen=True):
    """`is_exact`: the schema's objects are the same; not where it is recursive, or has objects with any members."""

    schema: msgspec.Raw
    is_exact: bool


_cache: LRUCache[bytes, Cleaned] = LRUCache(_MOST_CACHED)


def cleaned(schema: bytes) -> Cleaned:
    """Raises msgspec.DecodeError, RecursionError."""
    key = hashlib.sha256(schema).digest()
    found = _cache.get(key)
    if found is None:
        cleaner = _Cleaner()
        document = cleaner.clean(_decode(schema), 0)
        is_exact = cleaner.is_exact and not _is_recursive(document)
        found = Cleaned(msgspec.Raw(_encode(document)), is_exact)
        if len(schema) <= _LONGEST_CACHED:
            _cache[key] = found
    return found


class _Cleaner:
    def __init__(self) -> None:
        self.is_exact = True

    def clean(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > _DEEPEST:
            self.is_exact = self.is_exact and depth <= _DEEPEST and schema is not False
            return schema if isinstance(schema, bool) and depth <= _DEEPEST else {}
        if "$ref" in schema:
            return {"$ref": schema["$ref"], **self._maps(schema, depth)}
        out: dict[str, Any] = {}
        words: list[str] = []
        for name, value in schema.items():
            if name in _MAPS or name in _LISTS or name in {"items", "additionalProperties"}:
                continue
            if name in _KEPT or (name == "format" and value in _FORMATS) or _is_few(name, value):
                out[name] = value
            elif name not in _SILENT:
                words.append(f"{name}: {_text(value)}")
        out |= self._maps(schema, depth) | self._lists(schema, depth)
        if "items" in schema:
            out["items"] = self.clean(schema["items"], depth + 1)
        if _is_object(schema):
            self._close(schema, out)
        if words:
            before = out.get("description")
            bounds = f"{{{', '.join(words)}}}"
            out["description"] = f"{before}\n\n{bounds}" if isinstance(before, str) and before else bounds
        return out

    def _maps(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        return {
            name: {key: self.clean(each, depth + 1) for key, each in schema[name].items()}
            for name in _MAPS
            if isinstance(schema.get(name), dict)
        }

    def _lists(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name in _LISTS:
            if isinstance(schema.get(name), list):
                several = [self.clean(each, depth + 1) for each in schema[name]]
                if name == "prefixItems":
                    self.is_exact = False
                else:
                    key = "anyOf" if name == "oneOf" else name
                    out[key] = [*out.get(key, []), *several]
        return out

    def _close(self, schema: dict[str, Any], out: dict[str, Any]) -> None:
        """Close an object. One that is open and names no members would become an empty one."""
        others = schema.get("additionalProperties", True)
        if others is not False and (isinstance(others, dict) or not schema.get("properties")):
            self.is_exact = False
        out["additionalProperties"] = False


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _is_few(name: str, value: Any) -> bool:
    return name == "minItems" and value in _FEWEST


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _is_recursive(document: Any) -> bool:
    """Return whether a definition refers to itself, also by way of others; or a reference is to another place."""
    if not isinstance(document, dict):
        return False
    known = {
        f"#/{name}/{key}": _refs(each, 0)
        for name in ("$defs", "definitions")
        for key, each in (document.get(name) or {}).items()
    }
    if not _refs(document, 0) <= known.keys():
        return True
    try:
        TopologicalSorter(known).prepare()
    except CycleError:
        return True
    return False


def _refs(value: Any, depth: int) -> set[str]:
    if depth > 2 * _DEEPEST:
        return set()
    if isinstance(value, list):
        return {ref for each in value for ref in _refs(each, depth + 1)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own | {ref for each in value.values() for ref in _refs(each, depth + 1)}
