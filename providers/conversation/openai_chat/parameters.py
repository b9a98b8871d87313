"""How OpenAI's chat API, as a provider's, takes each parameter of a conversation.

Only calls of other client APIs are written by this table: a chat client's body passes as it is.
"""

from __future__ import annotations

from typing import Final

from providers.conversation.parameters import UNKNOWN, Parameter, Table, Treatment
from providers.conversation.request import Conversation
from providers.model_facts import ModelFacts

TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def _takes_temperature(conversation: Conversation, facts: ModelFacts) -> str:
    return _sampling("temperature", conversation.temperature, facts)


def _takes_top_p(conversation: Conversation, facts: ModelFacts) -> str:
    return _sampling("top_p", conversation.top_p, facts)


def _sampling(name: str, value: float | None, facts: ModelFacts) -> str:
    is_refused = facts.sampling in ("none", "default_only") and value not in (None, 1)
    return f"takes no '{name}' other than 1" if is_refused else ""


def _takes_top_k(_conversation: Conversation, facts: ModelFacts) -> str:
    return "takes no 'top_k'" if facts.vendor == "openai" else ""


def _can(fact: str, words: str) -> Parameter:
    """Return the row of something that only some models can."""

    def rule(_conversation: Conversation, facts: ModelFacts) -> str:
        return "" if getattr(facts, fact) else words

    return Parameter(Treatment.PASS, rule=rule)


def _takes_effort(conversation: Conversation, facts: ModelFacts) -> str:
    is_refused = conversation.reasoning.effort == "none" and facts.effort and "none" not in facts.effort
    return "cannot switch its reasoning off" if is_refused else ""


def _takes_schema(_conversation: Conversation, facts: ModelFacts) -> str:
    return "takes no JSON schema" if facts.json_schema == "none" else ""


def _takes_tier(conversation: Conversation, _facts: ModelFacts) -> str:
    tier = conversation.service_tier
    return "" if tier in TIERS else f"has no service tier '{tier}'"


_PASS: Final = Parameter(Treatment.PASS)
_IGNORE: Final = Parameter(Treatment.IGNORE)
_REFUSE: Final = Parameter(Treatment.REFUSE)

TABLE: Final[Table] = {
    "system": Parameter(Treatment.MAP, "a first message of role system; several texts are joined by a blank line"),
    "system_later": Parameter(Treatment.MAP, "a message of role system in its place"),
    "image": Parameter(Treatment.MAP, "image_url with a data: URL", _can("vision", "takes no images").rule),
    "image_url": Parameter(Treatment.MAP, "image_url"),
    "audio": Parameter(Treatment.MAP, "input_audio", _can("audio_in", "takes no audio").rule),
    "document": Parameter(
        Treatment.MAP, "file with file_data", _can("documents", "takes no documents").rule
    ),
    "document_url": _REFUSE,
    "file_id": _REFUSE,
    "thinking_history": Parameter(Treatment.MAP, "dropped; reasoning_content for DeepSeek"),
    "tool_calls": Parameter(Treatment.MAP, "tool_calls; results are messages of role tool, before the user's text"),
    "tools": Parameter(Treatment.MAP, "tools[].function", _can("tools", "takes no tools").rule),
    "custom_tools": Parameter(
        Treatment.MAP, "tools[].custom at OpenAI and Azure; elsewhere a function with the argument `input`"
    ),
    "strict": Parameter(Treatment.PASS, "tools[].function.strict"),
    "tool_choice": _PASS,
    "forced_tool_choice": _can("forced_tool_choice", "cannot be forced to call a tool"),
    "allowed_tools": Parameter(
        Treatment.MAP, "tool_choice.allowed_tools at OpenAI and Azure; elsewhere only those tools are sent"
    ),
    "parallel_tool_calls": _PASS,
    "json_object": Parameter(Treatment.MAP, "response_format"),
    "json_schema": Parameter(Treatment.MAP, "response_format.json_schema", _takes_schema),
    "max_tokens": Parameter(Treatment.MAP, "max_completion_tokens, or max_tokens (`cap_member`)"),
    "stop": _PASS,
    "temperature": Parameter(Treatment.PASS, rule=_takes_temperature),
    "top_p": Parameter(Treatment.PASS, rule=_takes_top_p),
    "top_k": Parameter(Treatment.PASS, "top_k, except at OpenAI's models", _takes_top_k),
    "n": _PASS,
    "presence_penalty": _PASS,
    "frequency_penalty": _PASS,
    "logprobs": _PASS,
    "top_logprobs": _PASS,
    "logit_bias": _REFUSE,
    "seed": _PASS,
    "reasoning_effort": Parameter(
        Treatment.MAP, "reasoning_effort: the nearest level that the model knows", _takes_effort
    ),
    "thinking_budget": Parameter(
        Treatment.MAP, "reasoning_effort, where the levels of the model are known; else ignored"
    ),
    "user": Parameter(Treatment.PASS, "user, as a name of the tenant's own"),
    "metadata": _IGNORE,
    "store": _REFUSE,
    "verbosity": Parameter(Treatment.MAP, "verbosity at OpenAI's models; elsewhere ignored"),
    "prompt_cache_key": Parameter(Treatment.MAP, "the deployment's `cache_member`, as a name of the tenant's own"),
    "prompt_cache_retention": _IGNORE,
    "service_tier": Parameter(Treatment.PASS, rule=_takes_tier),
    "cache_marks": _IGNORE,
    "modalities": _REFUSE,
    "audio_output": _REFUSE,
    "prediction": _REFUSE,
    "moderation": _REFUSE,
    "web_search": _REFUSE,
    "hosted_tools": _REFUSE,
    "context_management": _IGNORE,
    "prefill": Parameter(
        Treatment.MAP, "a last message of role assistant", _can("prefill", "cannot continue a begun answer").rule
    ),
    UNKNOWN: _REFUSE,
}  # fmt: skip
