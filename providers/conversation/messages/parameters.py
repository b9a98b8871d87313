"""What the Messages API takes of a conversation, by the facts of the model. One row for each parameter."""

from __future__ import annotations

from typing import Final

from providers.conversation.messages.writing.thinking import is_asked, is_off
from providers.conversation.messages.writing.tools import is_forcing
from providers.conversation.parameters import UNKNOWN, Parameter, Table, Treatment
from providers.conversation.request import Conversation
from providers.model_facts import ModelFacts

_REFUSED: Final = Parameter(Treatment.REFUSE)
_IGNORED: Final = Parameter(Treatment.IGNORE)
_TIERS: Final = frozenset({"", "auto", "default"})
_MOST_TEMPERATURE: Final = 1
_LEAST_TOP_P: Final = 0.95  # while it thinks


def _thinks(conversation: Conversation, facts: ModelFacts) -> bool:
    return facts.thinking not in {"none", "level"} and is_asked(conversation.reasoning)


def _has_budget(conversation: Conversation, facts: ModelFacts) -> bool:
    return facts.thinking == "budget" and is_asked(conversation.reasoning)


def _temperature(conversation: Conversation, facts: ModelFacts) -> str:
    given = conversation.temperature
    if given is None or given == 1:
        return ""
    if facts.sampling in {"none", "default_only"}:
        return "takes no temperature other than 1"
    if given > _MOST_TEMPERATURE:
        return "takes no temperature above 1"
    return "takes no temperature other than 1 while it thinks" if _thinks(conversation, facts) else ""


def _top_p(conversation: Conversation, facts: ModelFacts) -> str:
    given = conversation.top_p
    if given is None or given == 1:
        return ""
    if facts.sampling in {"none", "default_only"}:
        return "takes no top_p other than 1"
    if facts.sampling == "exclusive" and conversation.temperature not in {None, 1}:
        return "takes temperature or top_p, not both"
    is_low = given < _LEAST_TOP_P and _thinks(conversation, facts)
    return f"takes no top_p below {_LEAST_TOP_P} while it thinks" if is_low else ""


def _top_k(conversation: Conversation, facts: ModelFacts) -> str:
    if conversation.top_k is None:
        return ""
    if facts.sampling in {"none", "default_only"}:
        return "takes no top_k"
    return "takes no top_k while it thinks" if _thinks(conversation, facts) else ""


def _forced(conversation: Conversation, facts: ModelFacts) -> str:
    if not is_forcing(conversation.tool_choice):
        return ""
    if not facts.forced_tool_choice:
        return "cannot be forced to call a tool"
    return "cannot be forced to call a tool while it thinks" if _has_budget(conversation, facts) else ""


def _parallel(conversation: Conversation, facts: ModelFacts) -> str:
    is_asked_for = conversation.parallel_tool_calls is False and not facts.parallel_tool_control
    return "cannot be kept from calling tools in parallel" if is_asked_for else ""


def _json_schema(conversation: Conversation, facts: ModelFacts) -> str:
    if facts.json_schema == "native":
        return ""
    if facts.json_schema == "none" or not facts.forced_tool_choice:
        return "cannot be held to a JSON schema"
    return "cannot be held to a JSON schema while it thinks" if _has_budget(conversation, facts) else ""


def _effort(conversation: Conversation, facts: ModelFacts) -> str:
    reasoning, rule = conversation.reasoning, facts.thinking
    if is_off(reasoning):
        return "cannot stop thinking" if rule == "always" else ""
    is_more = is_asked(reasoning) and rule in {"none", "level"}
    return "does not think" if is_more else ""


def _tier(conversation: Conversation, _facts: ModelFacts) -> str:
    return "" if conversation.service_tier in _TIERS else "takes no such service tier"


def _stop(conversation: Conversation, _facts: ModelFacts) -> str:
    is_blank = any(not each.strip() for each in conversation.stop)
    return "takes no stop sequence of white space" if is_blank else ""


def _prefill(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.prefill else "does not continue a message of the assistant"


def _vision(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.vision else "reads no images"


def _documents(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.documents else "reads no documents"


def _tools(_conversation: Conversation, facts: ModelFacts) -> str:
    return "" if facts.tools else "calls no tools"


PARAMETERS: Final[Table] = {
    "system": Parameter(Treatment.MAP, "`system`"),
    "system_later": Parameter(
        Treatment.MAP, "a `system` message where the model takes one, else a user's text in `<system>`"
    ),
    "image": Parameter(Treatment.MAP, "`image`, base64", _vision),
    "image_url": Parameter(Treatment.MAP, "`image`, `source.type: url`", _vision),
    "audio": _REFUSED,
    "document": Parameter(Treatment.MAP, "`document`: PDF, or plain text", _documents),
    "document_url": Parameter(Treatment.MAP, "`document`, `source.type: url`", _documents),
    "file_id": _REFUSED,
    "thinking_history": Parameter(
        Treatment.MAP, "`thinking` blocks, if this account made them; else left out"
    ),
    "tool_calls": Parameter(Treatment.MAP, "`tool_use`, `tool_result`"),
    "tools": Parameter(Treatment.MAP, "`tools[].input_schema`", _tools),
    "custom_tools": Parameter(Treatment.MAP, "a tool with one text; a grammar is described", _tools),
    "strict": Parameter(
        Treatment.MAP,
        "`tools[].strict` where the model has it, with a schema of closed objects; else ignored",
    ),
    "tool_choice": Parameter(Treatment.MAP, "`tool_choice`", _forced),
    "forced_tool_choice": Parameter(Treatment.MAP, "`tool_choice` `any`, `tool`", _forced),
    "allowed_tools": Parameter(Treatment.MAP, "only these tools are sent"),
    "parallel_tool_calls": Parameter(Treatment.MAP, "`tool_choice.disable_parallel_tool_use`", _parallel),
    "json_object": Parameter(
        Treatment.MAP, "a tool that must be called; with tools one sentence in `system`"
    ),
    "json_schema": Parameter(
        Treatment.MAP, "`output_config.format`, else a tool that must be called", _json_schema
    ),
    "max_tokens": Parameter(Treatment.MAP, "`max_tokens`; without one the model's `max_output_tokens`"),
    "stop": Parameter(Treatment.MAP, "`stop_sequences`", _stop),
    "temperature": Parameter(Treatment.PASS, "`temperature`", _temperature),
    "top_p": Parameter(Treatment.PASS, "`top_p`", _top_p),
    "top_k": Parameter(Treatment.PASS, "`top_k`", _top_k),
    "n": _REFUSED,
    "presence_penalty": _REFUSED,
    "frequency_penalty": _REFUSED,
    "logprobs": _REFUSED,
    "top_logprobs": _REFUSED,
    "logit_bias": _REFUSED,
    "seed": _REFUSED,
    "reasoning_effort": Parameter(
        Treatment.MAP, "`thinking`, and `output_config.effort` where the model has it", _effort
    ),
    "thinking_budget": Parameter(Treatment.MAP, "`thinking.budget_tokens`, or an effort", _effort),
    "user": Parameter(Treatment.MAP, "`metadata.user_id`"),
    "metadata": _IGNORED,
    "store": _REFUSED,
    "verbosity": _IGNORED,
    "prompt_cache_key": _IGNORED,
    "prompt_cache_retention": _IGNORED,
    "service_tier": Parameter(Treatment.MAP, "`service_tier` `auto`, `standard_only`", _tier),
    "cache_marks": Parameter(Treatment.MAP, "`cache_control`, the last four"),
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
