"""Gemini as an upstream API."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import UpstreamSide
from providers.conversation.gemini.answer_reader import GeminiReader, document
from providers.conversation.gemini.parameters import TABLE
from providers.conversation.gemini.request_writer import call_headers, path, write

GEMINI: Final = UpstreamSide(
    name="gemini",
    parameters=TABLE,
    write=write,
    reader=GeminiReader,
    document=document,
    path=path,
    call_headers=call_headers,
)
