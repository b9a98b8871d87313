"""How OpenAI's Responses API, as an upstream, treats each parameter.

Source: the API reference, "Create a response".
"""

from __future__ import annotations

from typing import Final

from providers.conversation.parameters import UNKNOWN, Parameter, Table, Treatment
from providers.conversation.request import Conversation
from providers.model_facts import ModelFacts

_MAP, _PASS, _IGNORE, _REFUSE = Treatment.MAP, Treatment.PASS, Treatment.IGNORE, Treatment.REFUSE


def _sampling(conversation: Conversation, facts: ModelFacts) -> str:
    if facts.sampling in {"none", "default_only"}:
        return "takes temperature and top_p only at their defaults"
    is_both = conversation.temperature not in {None, 1} and conversation.top_p not in {None, 1}
    return "takes temperature or top_p, not both" if facts.sampling == "exclusive" and is_both else ""


def _effort(conversation: Conversation, facts: ModelFacts) -> str:
    if conversation.reasoning.is_off and facts.effort and "none" not in facts.effort:
        return "cannot switch reasoning off"
    return ""


def _forced(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.forced_tool_choice else "cannot be made to call a tool"


def _schema(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.json_schema == "native" else "does not keep to a JSON schema"


def _vision(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.vision else "takes no image"


def _documents(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.documents else "takes no document"


def _tools(_: Conversation, facts: ModelFacts) -> str:
    return "" if facts.tools else "takes no tools"


PARAMETERS: Final[Table] = {
    "system": Parameter(_MAP, "message items of the role developer"),
    "system_later": Parameter(_MAP, "a message item of the role developer"),
    "image": Parameter(_MAP, "input_image", _vision),
    "image_url": Parameter(_MAP, "input_image", _vision),
    "audio": Parameter(_REFUSE),
    "document": Parameter(_MAP, "input_file", _documents),
    "document_url": Parameter(_MAP, "input_file.file_url", _documents),
    "file_id": Parameter(_REFUSE),
    "thinking_history": Parameter(_MAP, "reasoning items of the same account; others are left out"),
    "tool_calls": Parameter(_MAP, "function_call, custom_tool_call and their outputs"),
    "tools": Parameter(_MAP, "tools[]", _tools),
    "custom_tools": Parameter(_MAP, "tools[] of the type custom", _tools),
    "strict": Parameter(_PASS, "tools[].strict"),
    "tool_choice": Parameter(_MAP, "tool_choice"),
    "forced_tool_choice": Parameter(_MAP, "tool_choice", _forced),
    "allowed_tools": Parameter(_MAP, "tool_choice.allowed_tools"),
    "parallel_tool_calls": Parameter(_PASS, "parallel_tool_calls"),
    "json_object": Parameter(_MAP, "text.format"),
    "json_schema": Parameter(_MAP, "text.format", _schema),
    "max_tokens": Parameter(_MAP, "max_output_tokens"),
    "stop": Parameter(_REFUSE),
    "temperature": Parameter(_PASS, "temperature", _sampling),
    "top_p": Parameter(_PASS, "top_p", _sampling),
    "top_k": Parameter(_REFUSE),
    "n": Parameter(_REFUSE),
    "presence_penalty": Parameter(_REFUSE),
    "frequency_penalty": Parameter(_REFUSE),
    "logprobs": Parameter(_MAP, "include: message.output_text.logprobs", _sampling),
    "top_logprobs": Parameter(_PASS, "top_logprobs", _sampling),
    "logit_bias": Parameter(_REFUSE),
    "seed": Parameter(_REFUSE),
    "reasoning_effort": Parameter(_MAP, "reasoning.effort", _effort),
    "thinking_budget": Parameter(_MAP, "reasoning.effort, by the size of the budget"),
    "user": Parameter(_MAP, "safety_identifier, as a name of the tenant's own"),
    "metadata": Parameter(_IGNORE),
    "store": Parameter(_REFUSE),
    "verbosity": Parameter(_MAP, "text.verbosity"),
    "prompt_cache_key": Parameter(_MAP, "the deployment's `cache_member`, as a name of the tenant's own"),
    "prompt_cache_retention": Parameter(_IGNORE),
    "service_tier": Parameter(_PASS, "service_tier"),
    "cache_marks": Parameter(_IGNORE),
    "modalities": Parameter(_REFUSE),
    "audio_output": Parameter(_REFUSE),
    "prediction": Parameter(_REFUSE),
    "moderation": Parameter(_REFUSE),
    "web_search": Parameter(_REFUSE),
    "hosted_tools": Parameter(_REFUSE),
    "context_management": Parameter(_IGNORE),
    "prefill": Parameter(_MAP, "an assistant's message item"),
    UNKNOWN: Parameter(_REFUSE),
}
