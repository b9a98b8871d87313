"""The client's side of the Messages API."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import ClientSide
from providers.conversation.messages.answer_writer import MessagesStream, document
from providers.conversation.messages.request_reader import read

MESSAGES: Final = ClientSide("messages", read, MessagesStream, document)
