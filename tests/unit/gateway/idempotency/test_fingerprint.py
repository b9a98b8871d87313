"""The fingerprint of a large body equals that of the same body read whole."""

from __future__ import annotations

import hashlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.idempotency import fingerprint as module
from gateway.idempotency.fingerprint import fingerprint

TEXTS = st.text(alphabet='aä😀"\\/\n\x7f\u2028', max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(TEXTS, inner, max_size=6),
    max_leaves=40,
)


def whole(scope: str, raw: bytes) -> str:
    try:
        canonical = orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS)
    except ValueError:
        canonical = raw
    return hashlib.sha256(scope.encode() + b"\n" + canonical).hexdigest()


@pytest.mark.parametrize("size", [2, 20, 80])
def test_fingerprint_does_not_depend_on_how_a_body_is_split(monkeypatch, size):
    monkeypatch.setattr(module, "WHOLE", size)

    @given(VALUES, st.booleans(), st.sampled_from([None, 1]), st.sampled_from([b"", b" \n"]))
    def same(value, ascii_only, indent, white):
        raw = white + json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode() + white
        assert fingerprint("key POST /v1/x", raw) == whole("key POST /v1/x", raw)

    same()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":[1,2',
        b'{"a":1e99999,"b":[1,2,3]}',
        b'{"a":"\\ud800"}',
        b'{"a":1,"a":2}',
    ],
)
@pytest.mark.parametrize("size", [8, 10_000])
def test_what_cannot_be_represented_is_compared_byte_by_byte(monkeypatch, raw, size):
    monkeypatch.setattr(module, "WHOLE", size)
    assert fingerprint("s", raw) == whole("s", raw)


def test_what_is_nested_too_deeply_is_compared_byte_by_byte():
    raw = b"[" * 300 + b"]" * 300
    assert fingerprint("s", raw) == hashlib.sha256(b"s\n" + raw).hexdigest()


def test_names_are_sorted_at_every_depth(monkeypatch):
    monkeypatch.setattr(module, "WHOLE", 8)
    assert fingerprint("s", b'{"b":{"y":1,"x":[2,3,4]},"a":"text"}') == fingerprint(
        "s", b'{ "a":"text", "b":{ "x":[2, 3,4],"y":1} }'
    )
