"""What completions provide as a client API."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import ClientSide
from providers.conversation.completions.answer_writer import CompletionStream, document
from providers.conversation.completions.request_reader import read

COMPLETIONS: Final = ClientSide("completions", read, CompletionStream, document)
