"""Makes an instance that validates against a JSON schema, deterministically. Pure; the work is bounded.

Understands what pydantic and the SDKs emit: $ref, anyOf/oneOf/allOf, enum/const, formats, ranges, recursion.
"""

from __future__ import annotations

import math
import re
from typing import Any

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.text import Seed

_FRUGAL_DEPTH = 4  # from here on optional parts are left out, so that recursive schemas end
_FRUGAL_NODES = 500
_MAX_DEPTH = 64
_MAX_NODES = 5000

_FORMATS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H30M",
    "email": "alice@example.com",
    "idn-email": "alice@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "uuid": "7f8b2c1e-4d3a-4b5c-8e6f-0a1b2c3d4e5f",
    "ipv4": "192.0.2.10",
    "ipv6": "2001:db8::10",
    "decimal": "12.50",
}
_TYPES = frozenset(("object", "array", "string", "integer", "number", "boolean", "null"))
_MAX_LENGTH = 10_000

# Patterns are tried on short texts, if they repeat no group and little else: matching takes bounded time.
_CANDIDATES = (
    "12",
    "1",
    "1.5",
    "a",
    "abc",
    "A",
    "ABC",
    "Abc",
    "AB12",
    "ABC-123",
    "abc-123",
    "abc_1",
    "2026-01-15",
)
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_QUANTIFIER = re.compile(r"[*+?{]")
_MAX_QUANTIFIERS = 10
_MAX_CANDIDATE = 12


class Instance:
    """Builds one instance; `words` are used where the schema wants free text, `root` is where $ref points."""

    def __init__(self, root: dict[str, Any], seed: Seed, words: list[str]) -> None:
        self._root, self._seed, self._words = root, seed, words
        self._nodes = 0
        self._used = 0

    def build(self, schema: Any = None, depth: int = 0) -> Any:
        """Return a value that the schema accepts. Raises Refused if none can be built."""
        schema = self._resolved(self._root if schema is None else schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._seed.below(len(schema["enum"]))]
        return self._of_type(_type(schema), schema, depth)

    def _of_type(self, kind: str, schema: dict[str, Any], depth: int) -> Any:
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in {"integer", "number"}:
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return bool(self._seed.below(2))
        return None if kind == "null" else self._string(schema)

    def _frugal(self, depth: int) -> bool:
        return depth >= _FRUGAL_DEPTH or self._nodes > _FRUGAL_NODES

    def _resolved(self, schema: Any, depth: int) -> dict[str, Any]:
        """Follow references and choose among alternatives until a plain schema is left."""
        while True:
            self._nodes += 1
            if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
                raise SimulatorError(
                    "The schema is too deep or too large for the simulator.", param="response_format"
                )
            if not isinstance(schema, dict):
                schema = {"not": {}} if schema is False else {"type": "string"}
            elif "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._pointed(schema["$ref"]), **rest}
            elif schema.get("anyOf") or schema.get("oneOf"):
                key = "anyOf" if schema.get("anyOf") else "oneOf"
                rest = {name: value for name, value in schema.items() if name != key}
                schema = {**rest, **self._alternative(schema[key], depth)}
            elif schema.get("allOf"):
                parts = schema["allOf"]
                schema = {key: value for key, value in schema.items() if key != "allOf"}
                for part in parts:
                    schema = _merged(schema, self._resolved(part, depth + 1))
            else:
                return schema

    def _alternative(self, options: list[Any], depth: int) -> dict[str, Any]:
        plain = [option for option in options if isinstance(option, dict)]
        if not plain:
            return {}
        if self._frugal(depth):  # the alternative without a reference ends a recursion soonest
            return min(plain, key=lambda option: (option.get("type") != "null", "$ref" in option))
        return next((option for option in plain if option.get("type") != "null"), plain[0])

    def _pointed(self, pointer: Any) -> dict[str, Any]:
        found: Any = self._root
        parts = pointer.removeprefix("#").split("/")[1:] if isinstance(pointer, str) else ["?"]
        for part in parts:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise SimulatorError(
                f"The schema refers to {pointer!r}, which is not there.", param="response_format"
            )
        return found

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        wanted = [name for name in properties if name in required or not self._frugal(depth)]
        wanted += [name for name in required if name not in properties]
        made = {name: self.build(properties.get(name, True), depth + 1) for name in wanted}
        extra = schema.get("additionalProperties")
        fewest = max(int(schema.get("minProperties", 0)), 0)
        if isinstance(extra, dict) and not properties and not self._frugal(depth):
            fewest = max(fewest, 1)
        while len(made) < fewest and extra is not False:
            made[f"{self._word()}_{len(made) + 1}"] = self.build(
                extra if isinstance(extra, dict) else True, depth + 1
            )
        return made

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        made = [self.build(item, depth + 1) for item in schema.get("prefixItems") or ()]
        fewest = int(schema.get("minItems", 0))
        wanted = fewest if self._frugal(depth) else max(fewest, 1 + self._seed.below(2))
        wanted = min(wanted, int(schema.get("maxItems", wanted)))
        items = schema.get("items", True)
        if items is False:
            return made
        tries = 0
        while len(made) < wanted and tries < 20 * (wanted + 1):
            tries += 1
            item = self.build(items, depth + 1)
            if not schema.get("uniqueItems") or item not in made:
                made.append(item)
        return made

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float:
        low, high = _bounds(schema, whole=whole)
        step = schema.get("multipleOf") or (1 if whole else 0.5)
        if low is None and high is None:
            low = 0
        if low is None:
            return _as(math.floor(high / step) * step, whole=whole)  # type: ignore[operator] # high is set here
        first = math.ceil(low / step)
        room = 20 if high is None else max(0, min(20, math.floor(high / step) - first))
        value = (first + self._seed.below(room + 1)) * step
        if high is not None and not low <= value <= high:
            value = (low + high) / 2  # a range narrower than the step
        return _as(value, whole=whole)

    def _string(self, schema: dict[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        pattern = schema.get("pattern")
        if pattern is not None:
            return _matching(pattern, self._word())
        fewest, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", _MAX_LENGTH))
        if fewest > _MAX_LENGTH:
            raise SimulatorError(
                f"The simulator writes no text of {fewest} characters.", param="response_format"
            )
        return self._word().ljust(fewest, "x")[:most]

    def _word(self) -> str:
        """Take the prompt's words from the last one backwards: a question about Paris gets "Paris" as its text."""
        self._used += 1
        if not self._words:
            return f"sample {self._used}"
        turn, place = divmod(self._used - 1, len(self._words))
        word = self._words[-1 - place]
        return word if turn == 0 else f"{word} {turn + 1}"


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind in _TYPES:
        return str(kind)
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        merged["required"] = [*first["required"], *second["required"]]
    return merged


def _bounds(schema: dict[str, Any], *, whole: bool) -> tuple[float | None, float | None]:
    """Return the smallest and the largest value allowed."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    step = 1 if whole else 1e-6
    if isinstance(above, int | float):
        low = above + step if low is None else max(low, above + step)
    if isinstance(below, int | float):
        high = below - step if high is None else min(high, below - step)
    if whole:
        return (None if low is None else math.ceil(low)), (None if high is None else math.floor(high))
    return low, high


def _as(value: float, *, whole: bool) -> float:
    return int(value) if whole else float(value)


def _matching(pattern: str, word: str) -> str:
    """Return a text the pattern finds a match in. Patterns are tried, not solved."""
    if not _REPEATED_GROUP.search(pattern) and len(_QUANTIFIER.findall(pattern)) <= _MAX_QUANTIFIERS:
        found = re.compile(pattern)
        for candidate in (word[:_MAX_CANDIDATE], *_CANDIDATES):
            if found.search(candidate):
                return candidate
    raise SimulatorError(
        f"The simulator cannot make a text that matches {pattern!r}.", param="response_format"
    )
