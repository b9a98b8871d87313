"""Small bodies have the same limits as large ones; what decides is the body, not how it is written."""

from __future__ import annotations

import pytest

from gateway.config.sections.process import Server
from gateway.http.exceptions import BadRequest
from gateway.parsing.body_limits import check_small, is_bare, limits_of
from gateway.parsing.schemas import peek_chat, peek_embeddings

SERVER = Server()
USER = b'{"role":"user","content":"hi"}'


def chat(messages: bytes, more: bytes = b"") -> bytes:
    return b'{"model":"m","messages":[%s]%s}' % (messages, more)


def deep(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return chat(USER, b',"metadata":' + opening * levels + b"1" * (opening != b"[") + closing * levels)


def parts(count: int, part: bytes = b'{"type":"text","text":"a, b"}') -> bytes:
    return chat(b'{"role":"user","content":[%s]}' % b",".join([part] * count))


def inputs(count: int, given: bytes) -> bytes:
    return b'{"model":"m","input":[%s]}' % b" , ".join([given] * count)


def code_of(raw: bytes, server: Server = SERVER) -> str | None:
    want = (peek_embeddings if b'"input"' in raw else peek_chat)(raw)
    try:
        check_small(raw, limits_of(server, len(raw)), want.demand)
    except BadRequest as refusal:
        assert not is_bare(raw, server, want.demand), "what is refused was looked at"
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("code", "within", "beyond"),
    [
        ("too_many_messages", chat(b",".join([USER] * 2048)), chat(b",".join([USER] * 2049))),
        ("too_many_messages", chat(b",".join([b"{}"] * 2048)), chat(b",".join([b"{}"] * 2049))),
        ("too_many_content_parts", parts(256), parts(257)),
        ("too_many_content_parts", parts(256, b'"a"'), parts(257, b'"a"')),
        ("too_many_content_parts", parts(256, b"[]"), parts(257, b"[]")),
        ("too_deeply_nested", deep(63), deep(64)),
        ("too_deeply_nested", deep(63, b'{"a":', b"}"), deep(64, b'{"a":', b"}")),
        ("too_deeply_nested", deep(31, b'[{"":', b"}]"), deep(32, b'[{"":', b"}]")),
        ("too_many_inputs", inputs(2048, b'"a,b"'), inputs(2049, b'"a"')),
        ("too_many_inputs", inputs(2048, b"7"), inputs(2049, b"7")),
        ("too_many_inputs", inputs(2048, b"[1,2,3]"), inputs(2049, b"[]")),
    ],
)
def test_the_last_that_fits_passes_and_the_next_is_refused(code, within, beyond):
    assert (code_of(within), code_of(beyond)) == (None, code)


@pytest.mark.parametrize(
    "text", [b"]" * 70 + b"[" * 70, b"{[" * 200, b"a, b, c, " * 300, rb"\"a\", " * 600, rb"[\"" * 100]
)
def test_what_is_inside_of_a_text_is_not_counted(text):
    raw = chat(b'{"role":"user","content":"%s"}' % text)
    assert code_of(raw) is None
    assert code_of(b'{"model":"m","input":["%s"]}' % text) is None


def test_the_operator_may_allow_more():
    server = Server(max_messages=3000, max_content_parts=300, max_inputs=3000, max_nesting=100)
    for raw in (chat(b",".join([USER] * 2500)), parts(300), inputs(3000, b"1"), deep(99)):
        assert code_of(raw, server) is None
