"""How an upstream API treats each parameter of a conversation: map, pass, ignore or refuse. One table per API.

The table decides what routing skips, what the client is told, and what docs/providers/*.md lists. Nothing that changes
the response is dropped without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from providers.conversation.request import Conversation
from providers.model_facts import ModelFacts

UNKNOWN: Final = "unknown"  # the name in `Conversation.stated` of a member that its client API does not have


class Treatment(StrEnum):
    MAP = "map"  # translated
    PASS = "pass"  # noqa: S105 - no password; the same name and values
    IGNORE = "ignore"  # a hint, whose absence the client cannot see
    REFUSE = "refuse"  # 400 `unsupported_parameter`, or another deployment


class Unsupported(Exception):
    """This deployment cannot do what the request asks. `member` is the client's name for it."""

    def __init__(self, member: str, why: str) -> None:
        self.member, self.why = member, why
        super().__init__(f"'{member}' {why}")


class Unfit(msgspec.Struct, frozen=True):
    """Why a parameter is refused; `why` continues "It " ("takes no seed")."""

    member: str
    why: str


Rule: TypeAlias = Callable[[Conversation, ModelFacts], str]  # why not; "": it is accepted


class Parameter(msgspec.Struct, frozen=True):
    """One row. `upstream` is the API's own name, or how it is written, for the documentation.

    `rule` refuses some values of a parameter, or all of them at some models.
    """

    treatment: Treatment
    upstream: str = ""
    rule: Rule | None = None


Table: TypeAlias = Mapping[str, Parameter]


def unfit(conversation: Conversation, table: Table, facts: ModelFacts) -> Unfit | None:
    """Return the first stated parameter that the API, or this model of it, refuses; None: all are accepted."""
    for stated in conversation.stated:
        row = table.get(stated.name)
        if row is None or row.treatment is Treatment.REFUSE:
            return Unfit(stated.member, f"takes no '{stated.member}'")
        if row.rule is not None and (why := row.rule(conversation, facts)):
            return Unfit(stated.member, why)
    return None


# Every parameter that a conversation can state. Each table of an upstream API has each of them (a test says so); the
# names are those of OpenAI's chat API, and for what it does not have, those of the API that has it.
PARAMETERS: Final = (
    "system", "system_later", "image", "image_url", "audio", "document", "document_url", "file_id",
    "thinking_history", "tool_calls", "tools", "custom_tools", "strict", "tool_choice", "forced_tool_choice",
    "allowed_tools", "parallel_tool_calls", "json_object", "json_schema", "max_tokens", "stop", "temperature", "top_p",
    "top_k", "n", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias", "seed",
    "reasoning_effort", "thinking_budget", "user", "metadata", "store", "verbosity", "prompt_cache_key",
    "prompt_cache_retention", "service_tier", "cache_marks", "modalities", "audio_output", "prediction", "moderation",
    "web_search", "hosted_tools", "context_management", "prefill", UNKNOWN,
)  # fmt: skip
