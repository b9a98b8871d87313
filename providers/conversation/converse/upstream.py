"""The Converse API as one that conversations are sent to."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import UpstreamSide
from providers.conversation.converse.answer_reader import AnswerReader, read_document
from providers.conversation.converse.parameters import PARAMETERS
from providers.conversation.converse.request_writer import write
from providers.framing.aws_event_stream import CONTENT_TYPE
from providers.target import Target


def _path(_target: Target, is_stream: bool) -> str:  # noqa: FBT001 - the form of UpstreamSide.path
    return "converse-stream" if is_stream else "converse"


UPSTREAM: Final = UpstreamSide(
    name="bedrock_converse",
    parameters=PARAMETERS,
    write=write,
    reader=AnswerReader,
    document=read_document,
    path=_path,
    is_sse=False,
    accept=CONTENT_TYPE,
)
