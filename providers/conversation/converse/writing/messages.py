"""Writes the turns of a conversation as Converse's messages. Pure.

Users and the assistant alternate, the first message is the user's, and none is empty. Results of tools come first in
their message, or alone in it where the model wants that. Where a rule requires a message or a text that the
conversation does not have, it is ".".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from providers.conversation.content import CacheMark, Part, Text
from providers.conversation.converse.writing.content import FILLER, Block, ContentWriter
from providers.conversation.messages.request_writer import SYSTEM_BEGIN, SYSTEM_END
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation, Turn
from providers.target import Target

Message = dict[str, Any]

CACHE: Final = "cachePoint"
_CACHING: Final = frozenset({"anthropic", "amazon"})  # vendors whose models have prompt caches
_RESULTS_ALONE: Final = frozenset({"meta", "mistral"})
_ASSISTANT_FIRST: Final = frozenset({"anthropic", "qwen"})
_LONG: Final = frozenset({"1h", "12h", "24h"})  # kept for an hour, which is the longest
_UNMARKED: Final = ("document", "video", CACHE)  # blocks after which no prefix may end
_RESULT: Final = "toolResult"


def cache_point(mark: CacheMark | None, vendor: str) -> Block | None:
    """Return the block that ends a cached prefix; None: none is sent."""
    if mark is None or vendor not in _CACHING:
        return None
    point: Block = {"type": "default"}
    if vendor == "anthropic" and mark.ttl:
        point["ttl"] = "1h" if mark.ttl in _LONG else "5m"
    return {CACHE: point}


def append(blocks: list[Block], block: Block | None, mark: CacheMark | None, vendor: str) -> None:
    """Add a block and the end of the prefix after it, where one may be."""
    if block is not None:
        blocks.append(block)
    point = cache_point(mark, vendor)
    if point is not None and blocks and not any(name in blocks[-1] for name in _UNMARKED):
        blocks.append(point)


def write_messages(conversation: Conversation, target: Target) -> list[Message]:
    """Raises Unsupported."""
    writer, vendor = ContentWriter(target), target.facts.vendor
    merged: list[Message] = []
    for role, parts in _turns(conversation, target):
        blocks: list[Block] = []
        for part in parts:
            append(blocks, writer.block(part), getattr(part, "cache", None), vendor)
        if not blocks:
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    messages = [each for message in merged for each in _split(message, vendor)]
    if not messages or (messages[0]["role"] == "assistant" and vendor not in _ASSISTANT_FIRST):
        messages.insert(0, _filler("user"))
    if messages[-1]["role"] == "assistant":
        _end_with_prefill(messages[-1], target)
    return messages


def lacks_thinking(messages: list[Message]) -> bool:
    """Return whether the calls that were just answered came without the thinking before them."""
    for at in range(len(messages) - 1, 0, -2):
        results, calls = messages[at], messages[at - 1]
        if results["role"] != "user" or _RESULT not in results["content"][0]:
            return False
        if "reasoningContent" not in calls["content"][0]:
            return True
    return False


def _turns(conversation: Conversation, target: Target) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """Yield roles and parts. A system message stays one after a user's turn, where the model takes it."""
    before = ""
    for turn in conversation.turns:
        if turn.role == "system" and not (target.facts.system_in_messages and before == "user"):
            yield "user", _marked(turn)
            before = "user"
        else:
            yield turn.role, turn.parts
            before = turn.role


def _marked(turn: Turn) -> tuple[Part, ...]:
    texts = [part for part in turn.parts if isinstance(part, Text) and part.text.strip()]
    return tuple([Text(f"{SYSTEM_BEGIN}{part.text}{SYSTEM_END}", part.cache) for part in texts])


def _split(message: Message, vendor: str) -> list[Message]:
    """Return a message with the results of tools first, or two of them with a filler between."""
    blocks = message["content"]
    if message["role"] != "user":
        return [message]
    results, rest = _parted(blocks)
    has_document = any("document" in block for block in rest)
    if has_document and not any("text" in block for block in rest):
        rest.append({"text": FILLER})
    is_alone = vendor in _RESULTS_ALONE or (vendor == "anthropic" and has_document)
    if results and rest and is_alone:
        return [
            {"role": "user", "content": results},
            _filler("assistant"),
            {"role": "user", "content": rest},
        ]
    return [{"role": "user", "content": [*results, *rest]}]


def _parted(blocks: list[Block]) -> tuple[list[Block], list[Block]]:
    """Return the results of tools and the other blocks, each with the ends of prefixes that follow them."""
    results: list[Block] = []
    rest: list[Block] = []
    latest = rest
    for block in blocks:
        latest = latest if CACHE in block else results if _RESULT in block else rest
        if CACHE not in block or latest:
            latest.append(block)
    return results, rest


def _filler(role: str) -> Message:
    return {"role": role, "content": [{"text": FILLER}]}


def _end_with_prefill(message: Message, target: Target) -> None:
    """The model continues the assistant's last message, which may not end in white space. Raises Unsupported."""
    if not target.facts.prefill:
        raise Unsupported("messages", "ends with the assistant, which the model does not continue")
    last = message["content"][-1]
    if "text" in last:
        message["content"][-1] = {"text": last["text"].rstrip()}
