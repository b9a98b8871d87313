"""The Messages API as one that conversations are sent to."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import UpstreamSide
from providers.conversation.messages.answer_reader import AnswerReader, read_document
from providers.conversation.messages.parameters import PARAMETERS
from providers.conversation.messages.request_writer import headers, path, streams, write

UPSTREAM: Final = UpstreamSide(
    name="anthropic_messages",
    parameters=PARAMETERS,
    write=write,
    reader=AnswerReader,
    document=read_document,
    path=path,
    headers=headers,
    streams=streams,
)
