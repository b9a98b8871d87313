"""How Gemini treats each parameter of a conversation."""

from __future__ import annotations

from typing import Final

from providers.conversation.gemini.thinking import is_unknown, takes_levels, why_not
from providers.conversation.parameters import UNKNOWN, Parameter, Table, Treatment
from providers.conversation.request import Conversation
from providers.model_facts import ModelFacts

MOST_STOPS: Final = 5
MOST_CANDIDATES: Final = 8
MOST_LOGPROBS: Final = 20
TIERS: Final = ("flex", "priority")
_USUAL_TIERS: Final = ("", "auto", "default", "standard", "standard_only")
_INT32: Final = 2**31


def _vision(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.vision else "takes no images"


def _audio(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.audio_in or is_unknown(facts) else "takes no audio"


def _documents(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.documents else "takes no documents"


def _tools(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.tools else "calls no tools"


def _forced(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.forced_tool_choice else "cannot be made to call a tool"


def _json(conversation: Conversation, facts: ModelFacts) -> str:
    if facts.json_schema == "none":
        return "cannot be held to JSON"
    if conversation.tools and not takes_levels(facts):
        return "takes no response format together with tools"
    return ""


def _stop(conversation: Conversation, _: ModelFacts) -> str:
    too_many = len([each for each in conversation.stop if each]) > MOST_STOPS
    return f"takes at most {MOST_STOPS} stop sequences" if too_many else ""


def _n(conversation: Conversation, _: ModelFacts) -> str:
    if conversation.n > MOST_CANDIDATES:
        return f"gives at most {MOST_CANDIDATES} choices"
    if conversation.n > 1 and conversation.stream and conversation.tools:
        return "gives one choice only in a stream with tools"
    return ""


def _logprobs(conversation: Conversation, _: ModelFacts) -> str:
    too_many = (conversation.top_logprobs or 0) > MOST_LOGPROBS
    return f"gives at most {MOST_LOGPROBS} of the likeliest tokens" if too_many else ""


def _sampling(_: Conversation, facts: ModelFacts) -> str:
    is_free = facts.sampling in {"free", "exclusive"}
    return "" if is_free else "takes no sampling parameters other than their defaults"


def _seed(conversation: Conversation, _: ModelFacts) -> str:
    is_in_range = conversation.seed is None or -_INT32 <= conversation.seed < _INT32
    return "" if is_in_range else "takes seeds of 32 bits only"


def _service_tier(conversation: Conversation, _: ModelFacts) -> str:
    is_known = conversation.service_tier in {*TIERS, *_USUAL_TIERS}
    return "" if is_known else f"has no service tier '{conversation.service_tier[:40]}'"


def _prefill(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.prefill else "takes no message of the assistant as the last one"


_MAP, _PASS, _IGNORE, _REFUSE = Treatment.MAP, Treatment.PASS, Treatment.IGNORE, Treatment.REFUSE

TABLE: Final[Table] = {
    "system": Parameter(_MAP, "systemInstruction"),
    "system_later": Parameter(_MAP, "a user's text between `<system>` and `</system>`"),
    "image": Parameter(_MAP, "inlineData: png, jpeg, webp, heic, heif", _vision),
    "image_url": Parameter(_MAP, "fileData, media type by the file's ending", _vision),
    "audio": Parameter(_MAP, "inlineData", _audio),
    "document": Parameter(_MAP, "inlineData: application/pdf, text/plain", _documents),
    "document_url": Parameter(_MAP, "fileData, media type by the file's ending", _documents),
    "file_id": Parameter(_REFUSE),
    "thinking_history": Parameter(_MAP, "thoughtSignature of the part that it came with"),
    "tool_calls": Parameter(_MAP, "functionCall, functionResponse", _tools),
    "tools": Parameter(_MAP, "tools.functionDeclarations", _tools),
    "custom_tools": Parameter(
        _MAP, "a function with one text, `input`; its grammar in the description", _tools
    ),
    "strict": Parameter(_MAP, "functionCallingConfig.mode VALIDATED, for all tools"),
    "tool_choice": Parameter(_MAP, "functionCallingConfig.mode AUTO, NONE, ANY"),
    "forced_tool_choice": Parameter(_MAP, "mode ANY, allowedFunctionNames", _forced),
    "allowed_tools": Parameter(_MAP, "mode ANY, allowedFunctionNames; with auto only those tools are sent"),
    "parallel_tool_calls": Parameter(_REFUSE),
    "json_object": Parameter(_MAP, "responseMimeType", _json),
    "json_schema": Parameter(_MAP, "responseMimeType, responseJsonSchema", _json),
    "max_tokens": Parameter(_MAP, "maxOutputTokens (thoughts count)"),
    "stop": Parameter(_MAP, f"stopSequences, at most {MOST_STOPS}", _stop),
    "temperature": Parameter(_PASS, "temperature", _sampling),
    "top_p": Parameter(_PASS, "topP", _sampling),
    "top_k": Parameter(_PASS, "topK", _sampling),
    "n": Parameter(_MAP, f"candidateCount, at most {MOST_CANDIDATES}", _n),
    "presence_penalty": Parameter(_PASS, "presencePenalty"),
    "frequency_penalty": Parameter(_PASS, "frequencyPenalty"),
    "logprobs": Parameter(_MAP, "responseLogprobs"),
    "top_logprobs": Parameter(_MAP, f"logprobs, at most {MOST_LOGPROBS}", _logprobs),
    "logit_bias": Parameter(_REFUSE),
    "seed": Parameter(_PASS, "seed, of 32 bits", _seed),
    "reasoning_effort": Parameter(_MAP, "thinkingConfig.thinkingLevel or .thinkingBudget", why_not),
    "thinking_budget": Parameter(_MAP, "thinkingConfig.thinkingBudget (at most 24,576) or a level", why_not),
    "user": Parameter(_IGNORE, "labels, if the row has `vertex_user_label`"),
    "metadata": Parameter(_IGNORE),
    "store": Parameter(_REFUSE),
    "verbosity": Parameter(_IGNORE),
    "prompt_cache_key": Parameter(_IGNORE),
    "prompt_cache_retention": Parameter(_IGNORE),
    "service_tier": Parameter(
        _MAP, "header `x-vertex-ai-llm-shared-request-type`: flex, priority", _service_tier
    ),
    "cache_marks": Parameter(_IGNORE),
    "modalities": Parameter(_REFUSE),
    "audio_output": Parameter(_REFUSE),
    "prediction": Parameter(_REFUSE),
    "moderation": Parameter(_REFUSE),
    "web_search": Parameter(_REFUSE),
    "hosted_tools": Parameter(_REFUSE),
    "context_management": Parameter(_IGNORE),
    "prefill": Parameter(_MAP, "a last turn of the role `model`", _prefill),
    UNKNOWN: Parameter(_REFUSE),
}
