"""Both sides of Responses, as providers/conversation/registry.py lists them."""

from __future__ import annotations

from typing import Final

import msgspec

from providers.conversation.apis import ClientSide, UpstreamSide
from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import Conversation, Stated
from providers.conversation.responses import answer_reader, answer_writer, request_reader, request_writer
from providers.conversation.responses.parameters import PARAMETERS
from providers.isolation.ownership import Ownership

COMPACTION: Final = "responses/compact"  # the client's API of POST /v1/responses/compact


def _read_compaction(raw: bytes, ownership: Ownership | None) -> Conversation:
    """Only OpenAI's own API can compact a conversation: every translation refuses it by name."""
    conversation = request_reader.read(raw, ownership)
    stated = (Stated(UNKNOWN, "compact"), *conversation.stated)
    return msgspec.structs.replace(conversation, stated=stated)


RESPONSES: Final = ClientSide(
    name="responses",
    read=request_reader.read,
    stream_writer=answer_writer.ResponsesWriter,
    document=answer_writer.document,
)
COMPACTION_CLIENT: Final = msgspec.structs.replace(RESPONSES, name=COMPACTION, read=_read_compaction)
OPENAI_RESPONSES: Final = UpstreamSide(
    name="openai_responses",
    parameters=PARAMETERS,
    write=request_writer.write,
    reader=answer_reader.Reader,
    document=answer_reader.document,
    path=lambda _target, _streams: "responses",
)
