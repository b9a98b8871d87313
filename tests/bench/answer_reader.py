"""Reads HTTP/1.1 answers off a keep-alive connection, one at a time. Sans-I/O; httptools (C) parses."""

from __future__ import annotations

import httptools
import msgspec


class MalformedAnswer(Exception):
    """Raised when the bytes are not exactly one HTTP answer to one request."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    keep_alive: bool


class AnswerReader:
    """Feed it what arrives; it returns the answer with its last byte and is then ready for the next one.

    An answer whose end only a closed connection would show never completes: the load counts it as an error.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._answers: list[Answer] = []

    @property
    def has_body(self) -> bool:
        """Say whether the first body byte of the running answer has arrived."""
        return bool(self._parts)

    def feed(self, data: bytes) -> Answer | None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise MalformedAnswer(str(error)) from error
        if not self._answers:
            return None
        answer = self._answers.pop()
        if self._answers or self._parts:
            raise MalformedAnswer("more than one answer to one request")
        return answer

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # below it is informational: the answer itself is still to come
            keep_alive = self._parser.should_keep_alive()
            self._answers.append(Answer(status, b"".join(self._parts), keep_alive))
            self._parts.clear()
