"""What chat provides as a client API."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import ClientSide
from providers.conversation.chat.answer_document import document
from providers.conversation.chat.answer_writer import ChatStream
from providers.conversation.chat.request_reader import read

CHAT: Final = ClientSide("chat", read, ChatStream, document)
