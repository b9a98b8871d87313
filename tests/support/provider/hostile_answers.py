"""Answers of a provider of 20 MB, made to keep a parser busy or to fill the memory."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.support.clients.hostile_bodies import MB

SIZE = 19 * MB + 512 * 1024


def answer_of(content: bytes, usage: str = "always") -> str:
    said = (
        b',"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}' if usage == "always" else b""
    )
    choice = b'{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}' % content
    return (b'{"model":"up","choices":[%s]%s}' % (choice, said)).decode()


def of_pieces(piece: str, around: str, size: int = SIZE) -> str:
    return around % ",".join([piece] * (size // (len(piece) + 1)))


WHOLE = os.environ.get("OMG_TEST_SIZES") == "whole"  # in `make soak`
SLOW = MB  # what a process of its own takes seconds to read is not larger, so that the tests are quick
FEW = SLOW if WHOLE else 320 * 1024  # of what is read slowest; another process looks into it all the same
USAGE = '"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'
ANSWERS: dict[
    str, tuple[Callable[[], str], int]
] = {  # what a provider answers to a chat, and what the client gets
    "a long text": (lambda: answer_of(b'"' + rb"word \n" * (SIZE // 7) + b'"'), 200),
    "a long text without usage": (lambda: answer_of(b'"' + rb"word \n" * (SIZE // 7) + b'"', "never"), 200),
    "letters of four bytes": (lambda: answer_of(b'"' + "😀".encode() * (SIZE // 4) + b'"', "never"), 200),
    "sound": (lambda: answer_of(b'"","audio":{"data":"' + b"QUJD" * (SIZE // 4) + b'"}'), 200),
    "many choices": (
        lambda: of_pieces('{"index":0,"message":{"content":"a"}}', '{"choices":[%s],' + USAGE + "}", SLOW),
        200,
    ),
    "numbers": (lambda: of_pieces("0.123456", '{"choices":[{}],"logprobs":[%s],' + USAGE + "}"), 200),
    "a long usage": (lambda: of_pieces("1", '{"choices":[{}],"usage":{"prompt_tokens":[%s]}}'), 200),
    "a long error": (lambda: of_pieces('"no"', '{"choices":[],"error":[%s]}', SLOW), 502),
    "no end": (lambda: of_pieces("[]", '{"choices":[%s', FEW), 502),
    "deep": (lambda: '{"choices":' + "[" * (SIZE // 2) + "]" * (SIZE // 2) + "}", 502),
    "members": (
        lambda: "{" + ",".join([f'"{number:07}":1' for number in range(SLOW // 12)]) + ',"choices":[{}]}',
        200,
    ),
    "model again and again": (lambda: "{" + '"model":"m",' * (SLOW // 12) + '"choices":[]}', 502),
    "white space": (lambda: "{" + " " * (SIZE if WHOLE else 4 * SLOW) + '"choices":[]}', 502),
}
