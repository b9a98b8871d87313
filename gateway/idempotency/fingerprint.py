"""Decides whether two calls with one Idempotency-Key are the same call, by a hash of their JSON. Pure.

For large bodies it never runs on the event loop (gateway/parsing/heavy_process.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec
import orjson

WHOLE: Final = 256 * 1024  # larger bodies are hashed in pieces, so that they are never in memory as a tree

_OBJECT, _LIST, _QUOTE = b'{["'
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def fingerprint(scope: str, raw: bytes) -> str:
    """Return the SHA-256 of the call: the same for the same JSON, however its members are ordered or spaced.

    What orjson cannot represent (nesting beyond 254, numbers beyond a double) is compared byte by byte.
    """
    digest = hashlib.sha256(scope.encode() + b"\n")
    plain = digest.copy()
    try:
        _feed(digest.update, memoryview(raw.strip(b" \t\r\n")))
    except (ValueError, TypeError, RecursionError):
        plain.update(raw)
        return plain.hexdigest()
    return digest.hexdigest()


def _feed(update: Callable[[bytes], object], raw: memoryview) -> None:
    """Pass on the canonical form piece by piece: orjson's, with the names sorted."""
    first = raw[0] if len(raw) > WHOLE else 0
    if first == _OBJECT:
        parts = _members.decode(raw)
        update(b"{")
        for number, name in enumerate(sorted(parts)):
            update((b"," if number else b"") + orjson.dumps(name) + b":")
            _feed(update, memoryview(parts[name]))
        update(b"}")
    elif first == _LIST:
        _feed_elements(update, raw)
    elif first == _QUOTE and b"\\" not in (text := bytes(raw)):
        update(text)
    else:
        update(_canonical(raw))


def _feed_elements(update: Callable[[bytes], object], raw: memoryview) -> None:
    """Pass on the elements; small ones go together."""
    together: list[msgspec.Raw] = []
    size, start = 0, b"["
    for element in _elements.decode(raw):
        if together and size + len(element) > WHOLE:
            update(start + _canonical(b"[" + b",".join(together) + b"]")[1:-1])
            together, size, start = [], 0, b","
        if len(element) > WHOLE:
            update(start)
            _feed(update, memoryview(element))
            start = b","
        else:
            together.append(element)
            size += len(element)
    if together:
        update(start + _canonical(b"[" + b",".join(together) + b"]")[1:-1])
    update(b"]")


def _canonical(raw: bytes | memoryview) -> bytes:
    return orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS)
