"""Writes a conversation as the body of Amazon Bedrock's Converse API, by the facts of its model. Pure.

The body begins with what stays the same from turn to turn - tools, system, messages - so that a later turn begins with
the bytes of the earlier one. Text that the gateway adds is constant: "." where a rule requires a text or a message, a
mark around a later system message, a sentence where a JSON object is asked for.

Source: Amazon Bedrock API reference, "Converse", and the service definition of AWS's SDK.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from providers.conversation.apis import SentOptions
from providers.conversation.converse.writing.messages import (
    CACHE,
    append,
    lacks_thinking,
    write_messages,
)
from providers.conversation.converse.writing.reasoning import thinking, unfit
from providers.conversation.converse.writing.tools import ANTHROPIC, text_format, write_tools
from providers.conversation.messages.request_writer import USUAL_MAX_TOKENS
from providers.conversation.messages.writing.tools import Form, form_of, is_forcing
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation
from providers.target import Target

MOST_POINTS: Final = 4  # ends of cached prefixes in one request
METADATA: Final = "request_metadata"  # of a row: "user" sends the end user, salted, with each call
_MOST_USER: Final = 256
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9\s:_@$#=/+,.-]")
_DEFAULT_TIERS: Final = frozenset({"", "auto"})
_encode = msgspec.json.Encoder().encode

Body = dict[str, Any]


def write(conversation: Conversation, target: Target, options: SentOptions) -> bytes:
    """Raises Unsupported."""
    facts, cap = target.facts, max_tokens(conversation, target, options)
    messages = write_messages(conversation, target)
    if why := unfit(conversation, facts):
        raise Unsupported("reasoning_effort", why)
    thoughts = thinking(conversation, facts, cap, can=not lacks_thinking(messages))
    thinks = bool(thoughts.budget or (thoughts.fields and facts.vendor != ANTHROPIC))
    can_force = facts.forced_tool_choice and not thinks
    if is_forcing(conversation.tool_choice) and not can_force:
        raise Unsupported("tool_choice", "cannot force a tool at this model, or while it thinks")
    form = form_of(conversation, facts, can_force=can_force)
    tools = write_tools(conversation, target, form)
    system = _system(conversation, target, form)
    tool_list = tools.config["tools"] if tools.config is not None else []
    _limit_points(tool_list, system, *[message["content"] for message in messages])
    body: Body = {}
    if tools.config is not None:
        body["toolConfig"] = tools.config
    if system:
        body["system"] = system
    body["messages"] = messages
    if inference := _inference(conversation, target, cap):
        body["inferenceConfig"] = inference
    if fields := {**thoughts.fields, **tools.extra, **_top_k(conversation, target)}:
        body["additionalModelRequestFields"] = fields
    return _encode(body | _output(conversation, form, thoughts.effort) | _options(conversation, target))


def max_tokens(conversation: Conversation, target: Target, options: SentOptions) -> int | None:
    """Return the one output cap: the gateway's, else the client's, else all that the model can; None: unknown."""
    most = target.facts.max_output_tokens
    if most is None and target.facts.vendor == ANTHROPIC:
        usual: int | None = USUAL_MAX_TOKENS
    else:
        usual = most
    stated = conversation.max_output_tokens if options.cap is None else options.cap
    if stated is None:
        return usual
    return min(stated, most) if most else stated


def _system(conversation: Conversation, target: Target, form: Form) -> list[Body]:
    blocks: list[Body] = []
    for part in conversation.system:
        block = {"text": part.text} if part.text.strip() else None
        append(blocks, block, part.cache, target.facts.vendor)
    return [*blocks, {"text": form.words}] if form.words else blocks


def _inference(conversation: Conversation, target: Target, cap: int | None) -> Body:
    """Defaults are not sent where a model refuses others: they are what happens anyway."""
    out: Body = {} if cap is None else {"maxTokens": cap}
    is_free = target.facts.sampling == "free"
    for name, value in (("temperature", conversation.temperature), ("topP", conversation.top_p)):
        if value is not None and (is_free or value != 1):
            out[name] = value
    if conversation.stop:
        out["stopSequences"] = conversation.stop
    return out


def _top_k(conversation: Conversation, target: Target) -> Body:
    if conversation.top_k is None:
        return {}
    if target.facts.vendor == ANTHROPIC:
        return {"top_k": conversation.top_k}
    return {"inferenceConfig": {"topK": conversation.top_k}}


def _output(conversation: Conversation, form: Form, effort: str) -> Body:
    config: Body = {}
    if (found := text_format(form, conversation)) is not None:
        config["textFormat"] = found
    if effort:
        config["effort"] = effort
    return {"outputConfig": config} if config else {}


def _options(conversation: Conversation, target: Target) -> Body:
    out: Body = {}
    if conversation.service_tier not in _DEFAULT_TIERS:
        out["serviceTier"] = {"type": conversation.service_tier}
    if conversation.user and target.metadata.get(METADATA) == "user":
        out["requestMetadata"] = {"user": _UNFIT.sub("_", conversation.user)[:_MOST_USER]}
    return out


def _limit_points(*several: list[Body]) -> None:
    """Keep the last ends of cached prefixes: those of the longest ones."""
    places = [(blocks, block) for blocks in several for block in blocks if CACHE in block]
    for blocks, block in places[:-MOST_POINTS]:
        blocks[:] = [each for each in blocks if each is not block]
