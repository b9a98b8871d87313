"""One response as a sequence of events, whatever the API it came from or goes to. Pure values.

A response is: Started, then for each block BlockStarted, BlockDelta ..., BlockEnded, then Finished for each choice,
then Ended. UsageReported and Ping may come anywhere between; Failed ends it at any point. What readers send is put into
this order by providers/conversation/sequence.py, so writers may rely on it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec

from providers.usage import Usage

BlockKind: TypeAlias = Literal["text", "thinking", "refusal", "tool"]


class FinishReason(StrEnum):
    """OpenAI's names."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


class Started(msgspec.Struct, frozen=True, gc=False):
    """`id` is the provider's, for the log; `usage`: what is known of the prompt before the output."""

    id: str = ""
    usage: Usage | None = None


class BlockStarted(msgspec.Struct, frozen=True, gc=False):
    """`block` identifies it until it ends; after sequence.py it counts from 0 in each choice, without gaps.

    `id` and `name` are of a tool's call.
    """

    block: int
    kind: BlockKind
    id: str = ""
    name: str = ""
    is_custom: bool = False
    choice: int = 0


class BlockDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a block: text, or the JSON text of a tool's arguments. `logprobs`: OpenAI's list for this text."""

    block: int
    text: str
    logprobs: Any = None
    choice: int = 0


class Annotated(msgspec.Struct, frozen=True):
    """An annotation of a block's text, as OpenAI writes it (`{"type": "url_citation", ...}`)."""

    block: int
    annotation: dict[str, Any]
    choice: int = 0


class BlockEnded(msgspec.Struct, frozen=True, gc=False):
    """`signature` and `redacted` are of thinking, `place` as in content.Thinking."""

    block: int
    signature: str = ""
    redacted: str = ""
    place: str = ""
    choice: int = 0


class UsageReported(msgspec.Struct, frozen=True, gc=False):
    """The usage so far, cumulative: it replaces the one before. `is_final`: nothing is produced after it."""

    usage: Usage
    is_final: bool = False


class Finished(msgspec.Struct, frozen=True, gc=False):
    """A choice is complete. `vendor_reason` is the provider's word for it; `message`: why it was refused."""

    reason: FinishReason
    vendor_reason: str = ""
    stop_sequence: str | None = None
    message: str = ""
    choice: int = 0


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The provider's response is complete, with its usage."""


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The provider reported an error: `body` is an error body that providers/errors can read."""

    body: bytes


class Ping(msgspec.Struct, frozen=True, gc=False):
    """The provider is still working."""


Event: TypeAlias = (
    Started
    | BlockStarted
    | BlockDelta
    | Annotated
    | BlockEnded
    | UsageReported
    | Finished
    | Ended
    | Failed
    | Ping
)
