"""What is known of a model: the rules that its API enforces, and its limits. Data of the catalog, never of code.

Names and values are those of `facts` in docs/configuration.md. Sources: the vendors' model pages, by way of the dated
file catalog/data/model_facts.json and `manage.py catalog facts`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Sampling = Literal["free", "exclusive", "default_only", "none"]
ThinkingRule = Literal["none", "budget", "adaptive", "between_tools", "always", "level"]
SchemaSupport = Literal["native", "tool", "none"]


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The defaults are those of a model of which nothing is known: what a client asks for is passed on.

    sampling: temperature and top_p - free; exclusive: one of the two; default_only: their defaults; none: neither.
    thinking: none; budget: `budget_tokens`; adaptive: on request; between_tools: may be reduced to that, not switched
    off; always: cannot be switched off; level: Gemini's `thinkingLevel`.
    """

    vendor: str = (
        ""  # who made it: openai | anthropic | google | amazon | meta | mistral | deepseek | qwen | ...
    )
    max_output_tokens: int | None = None
    context_window: int | None = None
    sampling: Sampling = "free"
    thinking: ThinkingRule = "none"
    effort: tuple[str, ...] = ()  # the levels it knows, lowest first; empty: unknown
    forced_tool_choice: bool = True
    prefill: bool = True  # the last message may be the assistant's
    json_schema: SchemaSupport = "native"
    strict_tools: bool = True
    system_in_messages: bool = False  # a system message may follow a user's
    tools_need_responses: bool = False  # function tools are accepted by the Responses API only
    tools: bool = True
    vision: bool = True
    documents: bool = True
    audio_in: bool = False
    parallel_tool_control: bool = True  # parallel calls of tools can be switched off
    embedding_dimensions: tuple[int, ...] = ()  # that can be chosen; empty: unknown
    max_batch: int | None = None  # inputs of one request for embeddings
    # Whose vendor has several request formats for embeddings: titan | nova, predict | embed_content; "": the usual.
    embeddings_api: str = ""
    image_sizes: tuple[str, ...] = ()
    image_max_tokens: int | None = None
    max_tokens_per_second: int | None = None
    shutdown_date: str = ""  # ISO 8601


UNKNOWN_MODEL = ModelFacts()
