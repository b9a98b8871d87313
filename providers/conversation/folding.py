"""Folds an event sequence into one response: JSON is the event sequence folded. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.conversation.events import (
    Annotated,
    BlockDelta,
    BlockEnded,
    BlockKind,
    BlockStarted,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from providers.usage import Usage


class Block(msgspec.Struct):
    kind: BlockKind
    id: str = ""
    name: str = ""
    is_custom: bool = False
    texts: list[str] = []
    logprobs: list[Any] = []
    annotations: list[dict[str, Any]] = []
    signature: str = ""
    redacted: str = ""
    place: str = ""

    @property
    def text(self) -> str:
        return "".join(self.texts)


class Choice(msgspec.Struct):
    """`finished` None: the provider did not say how it ended."""

    blocks: list[Block] = []
    finished: Finished | None = None

    @property
    def reason(self) -> FinishReason:
        return self.finished.reason if self.finished is not None else FinishReason.STOP


class Message(msgspec.Struct):
    """A whole response. `is_ended`: nothing is missing. `failure`: the body of an error."""

    id: str = ""
    choices: dict[int, Choice] = {}
    usage: Usage | None = None
    is_ended: bool = False
    failure: bytes | None = None

    def choice(self, index: int = 0) -> Choice:
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = Choice()
        return found


def fold(message: Message, event: Event) -> None:
    """Add one event of an ordered sequence (providers/conversation/sequence.py)."""
    if isinstance(event, BlockStarted):
        block = Block(event.kind, event.id, event.name, event.is_custom)
        message.choice(event.choice).blocks.append(block)
    elif isinstance(event, BlockDelta | BlockEnded | Annotated):
        _fold_into(message.choice(event.choice).blocks[event.block], event)
    elif isinstance(event, Finished):
        message.choice(event.choice).finished = event
    elif isinstance(event, UsageReported):
        message.usage = event.usage
    elif isinstance(event, Started):
        message.id, message.usage = event.id, event.usage
    elif isinstance(event, Ended):
        message.is_ended = True
    elif isinstance(event, Failed):
        message.failure = event.body


def _fold_into(block: Block, event: BlockDelta | BlockEnded | Annotated) -> None:
    if isinstance(event, BlockDelta):
        block.texts.append(event.text)
        block.logprobs += event.logprobs or ()
    elif isinstance(event, BlockEnded):
        block.signature, block.redacted, block.place = event.signature, event.redacted, event.place
    else:
        block.annotations.append(event.annotation)
