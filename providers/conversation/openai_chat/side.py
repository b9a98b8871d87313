"""What OpenAI's chat API provides as an upstream API."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import UpstreamSide
from providers.conversation.openai_chat.answer_reader import ChatReader, document
from providers.conversation.openai_chat.parameters import TABLE
from providers.conversation.openai_chat.request_writer import path, write

OPENAI_CHAT: Final = UpstreamSide(
    name="openai_chat", parameters=TABLE, write=write, reader=ChatReader, document=document, path=path
)
