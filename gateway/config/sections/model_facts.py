"""Facts of a row's model that its operator states. Data only; their meaning is in providers/model_facts.py."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.config.fields import Count, Section


class Facts(Section):
    """Facts about the row's model; those not stated are taken from what its provider publishes.

    `manage.py catalog facts ALIAS` asks the provider; the vendored ones are in catalog/data/model_facts.json.
    """

    vendor: str | None = Field(
        None,
        description="Who made it, such as anthropic; by default read from its name. `metadata.publisher` sets it.",
    )
    context_window: Count | None = Field(
        None, description="As the row's own `context_window`, which goes first."
    )
    max_output_tokens: Count | None = Field(
        None, description="Its own most, where the alias may have a higher one."
    )
    sampling: Literal["free", "exclusive", "default_only", "none"] | None = Field(
        None,
        description="`temperature` and `top_p`: any; one of the two; their defaults only; neither.",
    )
    thinking: Literal["none", "budget", "adaptive", "between_tools", "always", "level"] | None = Field(
        None,
        description="Not; by a budget of tokens; on request; at the least between tools; always; by a level.",
    )
    effort: tuple[str, ...] | None = Field(
        None, description="The levels of `reasoning_effort` that it knows, lowest first."
    )
    forced_tool_choice: bool | None = Field(None, description="Whether a call of a tool can be forced.")
    prefill: bool | None = Field(None, description="Whether the last message may be the assistant's.")
    json_schema: Literal["native", "tool", "none"] | None = Field(
        None, description="Structured output: by its API; by a forced tool; not at all."
    )
    strict_tools: bool | None = Field(None, description="Whether it takes `strict` on tools.")
    system_in_messages: bool | None = Field(None, description="Whether a system message may follow a user's.")
    tools_need_responses: bool | None = Field(
        None, description="Whether it takes function tools by the Responses API only."
    )
    tools: bool | None = Field(
        None, description="Whether it takes tools; `supports_tools: false` goes first."
    )
    vision: bool | None = Field(
        None, description="Whether it takes pictures; the row's `modalities` go first."
    )
    documents: bool | None = Field(None, description="Whether it takes PDFs.")
    audio_in: bool | None = Field(
        None, description="Whether it takes audio; the row's `modalities` go first."
    )
    parallel_tool_control: bool | None = Field(
        None, description="Whether parallel calls of tools can be switched off."
    )
    embedding_dimensions: tuple[Count, ...] | None = Field(
        None, description="The dimensions that can be chosen. Unset: any is passed on."
    )
    max_batch: Count | None = Field(None, description="Most inputs of one request for embeddings.")
    embeddings_api: Literal["titan", "nova", "predict", "embed_content"] | None = Field(
        None,
        description="Its request format for embeddings, where its vendor has several. Unset: the usual one.",
    )
    image_sizes: tuple[str, ...] | None = Field(None, description="The sizes of pictures that it makes.")
    image_max_tokens: Count | None = Field(
        None,
        description="The most tokens that one picture can be. Bounds pictures behind a URL and those whose size cannot "
        "be read, and caps the others. Unset: the published formula of the model's family.",
    )
    pdf_page_max_tokens: Count | None = Field(
        None,
        description="The most tokens that one page of a PDF can be beside its text, which is bounded by what the page "
        "shows. Unset: the largest picture for `openai`, `azure` and `anthropic`; elsewhere unknown, so that a PDF is "
        "bounded by the context window.",
    )
    max_tokens_per_second: Count | None = Field(
        None, description="The most output tokens that it makes in a second."
    )
    shutdown_date: str | None = Field(
        None, pattern=r"^\d{4}-\d{2}-\d{2}", description="When its vendor ends it, such as 2027-01-14."
    )
