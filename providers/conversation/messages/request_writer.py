"""Writes a conversation as the body of the Messages API, by the facts of its model. Pure.

The body begins with what stays the same from turn to turn - tools, system, messages - so that the provider's prompt
cache holds: a later turn begins with the bytes of the earlier one. Text that the gateway adds is constant: a mark
around a later system message, a sentence where a JSON object is asked for, "." where a user's message is required.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from providers.conversation.apis import SentOptions
from providers.conversation.content import Text
from providers.conversation.messages.writing import thinking as thoughts
from providers.conversation.messages.writing.content import CACHED, Block, block, text_block
from providers.conversation.messages.writing.tools import Form, form_of, is_forcing, write_tools
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation, Turn
from providers.platforms.anthropic import body_version, platform_for, platform_headers, version_at
from providers.target import Target

LONG: Final = (
    16_384  # tokens; a longer answer is streamed, as the provider ends other requests after ten minutes
)
USUAL_MAX_TOKENS: Final = 4_096  # where neither the client nor the catalog says more
MOST_MARKS: Final = 4  # of cached prefixes in one request
FILLER: Final = "."  # a user's text where the API requires one
SYSTEM_BEGIN: Final = "<system>\n"  # around a system message that comes later, as a user's text
SYSTEM_END: Final = "\n</system>"
NO_SAMPLING: Final = "2026-10-21"  # from this version of the API on, temperature and the like are refused
_TIERS: Final = {"auto": "auto", "default": "standard_only"}
_encode = msgspec.json.Encoder().encode

Body = dict[str, Any]


def max_tokens(conversation: Conversation, target: Target, options: SentOptions) -> int:
    """Return the one output cap: the gateway's, else the client's, else all that the model can."""
    most = target.facts.max_output_tokens
    stated = conversation.max_output_tokens if options.cap is None else options.cap
    if stated is None:
        return most or USUAL_MAX_TOKENS
    return min(stated, most) if most else stated


def streams(conversation: Conversation, target: Target, options: SentOptions) -> bool:
    return conversation.stream or max_tokens(conversation, target, options) > LONG


def path(target: Target, is_stream: bool) -> str:  # noqa: FBT001 - the form of UpstreamSide.path
    platform = platform_for(target)
    return platform.stream_path if is_stream else platform.path


def headers(target: Target, options: SentOptions) -> dict[str, str]:
    return platform_headers(target, beta=options.headers.get("anthropic-beta", ""))


def write(conversation: Conversation, target: Target, options: SentOptions) -> bytes:
    """Raises Unsupported."""
    facts, platform = target.facts, platform_for(target)
    cap = max_tokens(conversation, target, options)
    messages = _messages(conversation, target)
    budget = 0 if _lacks_thinking(messages) else thoughts.budget_of(conversation.reasoning, facts, cap)
    can_force = facts.forced_tool_choice and not budget
    if is_forcing(conversation.tool_choice) and not can_force:
        raise Unsupported("tool_choice", "cannot force a tool at this model, or while it thinks")
    form = form_of(conversation, facts, can_force=can_force)
    tools = write_tools(conversation, form, is_strict=facts.strict_tools and platform.strict_tools)
    system = _system(conversation, form)
    _limit_marks(tools.tools, system, messages)
    body: Body = {"model": target.wire_model or target.upstream_model} if platform.names_model else {}
    if version := body_version(target):
        body["anthropic_version"] = version
    if tools.tools:
        body["tools"] = tools.tools
    if system:
        body["system"] = system
    body |= {"messages": messages, "max_tokens": cap}
    if tools.choice is not None:
        body["tool_choice"] = tools.choice
    body |= _thinking(conversation, target, form, budget) | _options(conversation, target)
    if platform.betas_in_body and (flags := platform.flags(options.headers.get("anthropic-beta", ""))):
        body["anthropic_beta"] = flags
    if platform.names_stream and streams(conversation, target, options):
        body["stream"] = True
    return _encode(body)


def _thinking(conversation: Conversation, target: Target, form: Form, budget: int) -> Body:
    out: Body = {}
    found = thoughts.thinking(conversation.reasoning, target.facts, budget)
    if found is not None:
        out["thinking"] = found
    config: Body = {}
    if level := thoughts.effort(conversation.reasoning, target.facts):
        config["effort"] = level
    if form.native:
        config["format"] = {"type": "json_schema", "schema": msgspec.Raw(form.native)}
    return out | ({"output_config": config} if config else {})


def _options(conversation: Conversation, target: Target) -> Body:
    out: Body = {}
    if conversation.stop:
        out["stop_sequences"] = conversation.stop
    out |= _sampling(conversation, target)
    if conversation.user:
        out["metadata"] = {"user_id": conversation.user}
    if tier := _TIERS.get(conversation.service_tier):
        out["service_tier"] = tier
    return out


def _sampling(conversation: Conversation, target: Target) -> Body:
    """Defaults are not sent where others are refused: they are what happens anyway."""
    stated = {
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "top_k": conversation.top_k,
    }
    found: Body = {name: value for name, value in stated.items() if value is not None}
    if target.facts.sampling == "free" and version_at(target) < NO_SAMPLING:
        return found
    found = {name: value for name, value in found.items() if value != 1 or name == "top_k"}
    if found and version_at(target) >= NO_SAMPLING:
        raise Unsupported(next(iter(found)), "is not taken by this version of the API")
    return found


def _system(conversation: Conversation, form: Form) -> list[Block]:
    blocks = [found for part in conversation.system if (found := text_block(part)) is not None]
    return [*blocks, {"type": "text", "text": form.words}] if form.words else blocks


def _messages(conversation: Conversation, target: Target) -> list[Body]:
    """Return the messages: consecutive turns of one role as one, the results of tools before all else in it."""
    merged: list[Body] = []
    for role, parts in _turns(conversation, target):
        blocks = [found for part in parts if (found := block(part, target)) is not None]
        if not blocks:
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    if not merged or merged[0]["role"] != "user":
        merged.insert(0, {"role": "user", "content": [{"type": "text", "text": FILLER}]})
    for message in merged:
        if message["role"] == "user":
            message["content"].sort(key=lambda each: each["type"] != "tool_result")
    if merged[-1]["role"] == "assistant":
        _end_with_prefill(merged[-1], target)
    return merged


def _turns(conversation: Conversation, target: Target) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield roles and parts. A system message stays one after a user's turn, where the model takes it."""
    before = ""
    for turn in conversation.turns:
        if turn.role == "system" and not (target.facts.system_in_messages and before == "user"):
            yield "user", _marked(turn)
            before = "user"
        else:
            yield turn.role, turn.parts
            before = turn.role


def _marked(turn: Turn) -> tuple[Any, ...]:
    texts = [part for part in turn.parts if isinstance(part, Text) and part.text.strip()]
    return tuple([Text(f"{SYSTEM_BEGIN}{part.text}{SYSTEM_END}", part.cache) for part in texts])


def _end_with_prefill(message: Body, target: Target) -> None:
    """The API continues the assistant's last message, which may not end in white space. Raises Unsupported."""
    if not target.facts.prefill:
        raise Unsupported("messages", "ends with the assistant, which the model does not continue")
    last = message["content"][-1]
    if last["type"] == "text":
        message["content"][-1] = {**last, "text": last["text"].rstrip()}


def _lacks_thinking(messages: list[Body]) -> bool:
    """Return whether the calls that were just answered came without the thinking before them."""
    for at in range(len(messages) - 1, 0, -2):
        results, calls = messages[at], messages[at - 1]
        if results["role"] != "user" or results["content"][0]["type"] != "tool_result":
            return False
        if calls["content"][0]["type"] not in {"thinking", "redacted_thinking"}:
            return True
    return False


def _limit_marks(*several: list[Body]) -> None:
    """Keep the last marks: those of the longest prefixes."""
    blocks = [each for blocks in several[:2] for each in blocks]
    for message in several[2]:
        for each in message["content"]:
            blocks += [*[inner for inner in each.get("content", ()) if isinstance(inner, dict)], each]
    marked = [each for each in blocks if CACHED in each]
    for each in marked[:-MOST_MARKS]:
        del each[CACHED]
