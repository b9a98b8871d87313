"""What the Converse API takes of a conversation, by the facts of the model. One row for each parameter."""

from __future__ import annotations

from typing import Final

from providers.conversation.converse.writing.reasoning import level_of, unfit
from providers.conversation.messages.parameters import PARAMETERS as CLAUDES
from providers.conversation.messages.writing.tools import is_forcing
from providers.conversation.parameters import UNKNOWN, Parameter, Table, Treatment
from providers.conversation.request import Conversation
from providers.model_facts import ModelFacts

_REFUSED: Final = Parameter(Treatment.REFUSE)
_IGNORED: Final = Parameter(Treatment.IGNORE)
_TIERS: Final = frozenset({"", "auto", "default", "flex", "priority", "reserved"})
_TOP_K: Final = frozenset({"anthropic", "amazon"})
_CLAUDE: Final = "anthropic"


def _claude(name: str, conversation: Conversation, facts: ModelFacts) -> str:
    """Ask the rule of Claude's own API."""
    rule = CLAUDES[name].rule
    return rule(conversation, facts) if rule is not None else ""


def _temperature(conversation: Conversation, facts: ModelFacts) -> str:
    return _claude("temperature", conversation, facts)


def _top_p(conversation: Conversation, facts: ModelFacts) -> str:
    return _claude("top_p", conversation, facts)


def _top_k(conversation: Conversation, facts: ModelFacts) -> str:
    if conversation.top_k is None:
        return ""
    return _claude("top_k", conversation, facts) if facts.vendor in _TOP_K else "takes no top_k"


def _thinks(conversation: Conversation, facts: ModelFacts) -> bool:
    """Return whether thinking keeps the model from being forced."""
    is_asked = bool(level_of(conversation, facts))
    return is_asked and (facts.vendor != _CLAUDE or facts.thinking == "budget")


def _forced(conversation: Conversation, facts: ModelFacts) -> str:
    if not is_forcing(conversation.tool_choice):
        return ""
    if not facts.forced_tool_choice:
        return "cannot be forced to call a tool"
    return "cannot be forced to call a tool while it thinks" if _thinks(conversation, facts) else ""


def _json_schema(conversation: Conversation, facts: ModelFacts) -> str:
    if facts.json_schema == "native":
        return ""
    if facts.json_schema == "none" or not facts.forced_tool_choice:
        return "cannot be held to a JSON schema"
    return "cannot be held to a JSON schema while it thinks" if _thinks(conversation, facts) else ""


def _parallel(conversation: Conversation, facts: ModelFacts) -> str:
    can = facts.vendor == _CLAUDE and facts.parallel_tool_control
    is_asked = conversation.parallel_tool_calls is False and bool(conversation.tools)
    return "cannot be kept from calling tools in parallel" if is_asked and not can else ""


def _effort(conversation: Conversation, facts: ModelFacts) -> str:
    return unfit(conversation, facts)


def _tier(conversation: Conversation, _facts: ModelFacts) -> str:
    return "" if conversation.service_tier in _TIERS else "takes no such service tier"


def _stop(conversation: Conversation, facts: ModelFacts) -> str:
    if any(not each for each in conversation.stop):
        return "takes no empty stop sequence"
    return _claude("stop", conversation, facts) if facts.vendor == _CLAUDE else ""


def _prefill(conversation: Conversation, facts: ModelFacts) -> str:
    return _claude("prefill", conversation, facts)


def _vision(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.vision else "reads no images"


def _audio(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.audio_in else "understands no sound"


def _documents(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.documents else "reads no documents"


def _tools(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.tools else "calls no tools"


PARAMETERS: Final[Table] = {
    "system": Parameter(Treatment.MAP, "`system[].text`"),
    "system_later": Parameter(
        Treatment.MAP, "a `system` message where the model takes one, else a user's text in `<system>`"
    ),
    "image": Parameter(Treatment.MAP, "`image.source.bytes`", _vision),
    "image_url": _REFUSED,
    "audio": Parameter(Treatment.MAP, "`audio.source.bytes`", _audio),
    "document": Parameter(Treatment.MAP, "`document.source.bytes`, named `document-1` and so on", _documents),
    "document_url": _REFUSED,
    "file_id": _REFUSED,
    "thinking_history": Parameter(
        Treatment.MAP, "`reasoningContent`, if this account made it and it is signed; else left out"
    ),
    "tool_calls": Parameter(Treatment.MAP, "`toolUse`, `toolResult`"),
    "tools": Parameter(Treatment.MAP, "`toolConfig.tools[].toolSpec`", _tools),
    "custom_tools": Parameter(Treatment.MAP, "a tool with one text; a grammar is described", _tools),
    "strict": Parameter(
        Treatment.MAP,
        "`toolSpec.strict` where the model has it, with a schema of closed objects; else ignored",
    ),
    "tool_choice": Parameter(
        Treatment.MAP,
        "`toolChoice`; `none`: no tools, or where the history has calls no `toolChoice`",
        _forced,
    ),
    "forced_tool_choice": Parameter(Treatment.MAP, "`toolChoice` `any`, `tool`", _forced),
    "allowed_tools": Parameter(Treatment.MAP, "only these tools are sent"),
    "parallel_tool_calls": Parameter(
        Treatment.MAP, "Claude: `tool_choice` in `additionalModelRequestFields`", _parallel
    ),
    "json_object": Parameter(
        Treatment.MAP, "a tool that must be called; with tools one sentence in `system`"
    ),
    "json_schema": Parameter(
        Treatment.MAP, "`outputConfig.textFormat`, else a tool that must be called", _json_schema
    ),
    "max_tokens": Parameter(
        Treatment.MAP, "`inferenceConfig.maxTokens`; without one the model's `max_output_tokens`"
    ),
    "stop": Parameter(Treatment.MAP, "`inferenceConfig.stopSequences`", _stop),
    "temperature": Parameter(Treatment.MAP, "`inferenceConfig.temperature`", _temperature),
    "top_p": Parameter(Treatment.MAP, "`inferenceConfig.topP`", _top_p),
    "top_k": Parameter(Treatment.MAP, "Claude and Nova: `additionalModelRequestFields`", _top_k),
    "n": _REFUSED,
    "presence_penalty": _REFUSED,
    "frequency_penalty": _REFUSED,
    "logprobs": _REFUSED,
    "top_logprobs": _REFUSED,
    "logit_bias": _REFUSED,
    "seed": _REFUSED,
    "reasoning_effort": Parameter(
        Treatment.MAP,
        "`additionalModelRequestFields` of Claude, Nova, gpt-oss and Qwen; else `outputConfig.effort`",
        _effort,
    ),
    "thinking_budget": Parameter(Treatment.MAP, "Claude: `thinking.budget_tokens`; else an effort", _effort),
    "user": Parameter(Treatment.MAP, "`requestMetadata.user` where the row says so; else ignored"),
    "metadata": _IGNORED,
    "store": _REFUSED,
    "verbosity": _IGNORED,
    "prompt_cache_key": _IGNORED,
    "prompt_cache_retention": _IGNORED,
    "service_tier": Parameter(Treatment.MAP, "`serviceTier.type`", _tier),
    "cache_marks": Parameter(
        Treatment.MAP, "`cachePoint` after the block, the last four; Claude and Nova, else ignored"
    ),
    "modalities": _REFUSED,
    "audio_output": _REFUSED,
    "prediction": _REFUSED,
    "moderation": _REFUSED,
    "web_search": _REFUSED,
    "hosted_tools": _REFUSED,
    "context_management": _IGNORED,
    "prefill": Parameter(Treatment.MAP, "the last message", _prefill),
    UNKNOWN: _REFUSED,
}
