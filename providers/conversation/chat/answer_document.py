"""Writes a whole chat completion from a folded message."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.conversation.apis import WriterContext
from providers.conversation.chat.answer_writer import ANY_TOOL
from providers.conversation.chat.call_ids import with_signature
from providers.conversation.chat.extensions import OF_BLOCK, TEXT, marked, of_google, thinking_block
from providers.conversation.chat.usage_writer import usage_json
from providers.conversation.events import FinishReason
from providers.conversation.folding import Block, Choice, Message

_encode = msgspec.json.Encoder().encode


def document(message: Message, context: WriterContext) -> bytes:
    """Return the response for the client."""
    whole: dict[str, Any] = {
        "id": f"chatcmpl-{context.response_id}",
        "object": "chat.completion",
        "created": context.created,
        "model": context.alias,
        "choices": [_choice(index, choice, context) for index, choice in sorted(message.choices.items())],
    }
    usage = message.usage
    if usage is not None:
        whole["usage"] = usage_json(usage)
        if usage.service_tier:
            whole["service_tier"] = usage.service_tier
    return _encode(whole)


def _choice(index: int, choice: Choice, context: WriterContext) -> dict[str, Any]:
    is_old = context.conversation.uses_old_functions
    reason: str = choice.reason
    if is_old and reason == FinishReason.TOOL_CALLS:
        reason = "function_call"
    return {
        "index": index,
        "message": _message(choice, context, is_old=is_old),
        "logprobs": _logprobs(choice),
        "finish_reason": reason,
    }


def _message(choice: Choice, context: WriterContext, *, is_old: bool) -> dict[str, Any]:
    blocks = choice.blocks
    texts = [block.text for block in blocks if block.kind == "text"]
    refusals = [block.text for block in blocks if block.kind == "refusal"]
    thoughts = [block.text for block in blocks if block.kind == "thinking" and block.text]
    calls = _calls(blocks, context)
    finished = choice.finished
    if (
        not refusals
        and finished is not None
        and finished.reason is FinishReason.CONTENT_FILTER
        and finished.message
    ):
        refusals = [finished.message]
    is_silent = not texts and (calls or refusals)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if is_silent else "".join(texts),
        "refusal": "".join(refusals) if refusals else None,
        "annotations": [each for block in blocks for each in block.annotations],
    }
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    message |= _signed(blocks, context)
    if calls and is_old:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return message


def _signed(blocks: list[Block], context: WriterContext) -> dict[str, Any]:
    """Return the blocks of thinking with a signature, and the signature of the text."""
    found: dict[str, Any] = {}
    thinking = [
        thinking_block(block.text, block, context)
        for block in blocks
        if block.kind == "thinking" and block.place in OF_BLOCK and (block.signature or block.redacted)
    ]
    if thinking:
        found["thinking_blocks"] = thinking
    for block in blocks:
        if block.signature and (block.kind == "text" or (block.kind == "thinking" and block.place == TEXT)):
            found["extra_content"] = of_google(marked(block.signature, context))
    return found


def _calls(blocks: list[Block], context: WriterContext) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    before: Block | None = None  # with the signature of the call that follows
    for block in blocks:
        if block.kind == "thinking" and block.place not in OF_BLOCK | {TEXT}:
            before = block
        elif block.kind == "tool":
            signature = block.signature
            if before is not None and before.place in (ANY_TOOL, block.id):
                signature = before.signature
            calls.append(_call(block, marked(signature, context)))
            before = None
    return calls


def _call(block: Block, signature: str) -> dict[str, Any]:
    call: dict[str, Any] = {"id": with_signature(block.id, signature) if signature else block.id}
    if block.is_custom:
        call |= {"type": "custom", "custom": {"name": block.name, "input": block.text}}
    else:
        call |= {"type": "function", "function": {"name": block.name, "arguments": block.text}}
    return {**call, "extra_content": of_google(signature)} if signature else call


def _logprobs(choice: Choice) -> dict[str, Any] | None:
    content = [each for block in choice.blocks if block.kind == "text" for each in block.logprobs]
    refusal = [each for block in choice.blocks if block.kind == "refusal" for each in block.logprobs]
    if not content and not refusal:
        return None
    return {"content": content or None, "refusal": refusal or None}
