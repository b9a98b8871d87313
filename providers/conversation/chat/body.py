"""The body of a chat request, by type. Source: the OpenAI API reference, "Create chat completion".

These types know all members: nearly all requests have no other. The ones in loose_body.py take the rest.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

NOTHING: Final = msgspec.Raw()


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """The parent of all types here: null is the same as absent."""


class CacheControl(Strict):
    """Anthropic's `cache_control`, and OpenAI's `prompt_cache_breakpoint`."""

    type: str | None = None
    mode: str | None = None
    ttl: str | None = None


class ImageUrl(Strict):
    url: str
    detail: Any = None
    format: str | None = None


class InputAudio(Strict):
    data: str
    format: str


class File(Strict):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    format: str | None = None


class Part(Strict):
    """A content part. What it carries decides what it is: `type` may be missing."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: File | None = None
    thinking: str | None = None
    signature: str | None = None
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheControl | None = None
    annotations: Any = None
    citations: Any = None


class Function(Strict):
    name: str | None = None
    arguments: str | None = None


class Custom(Strict):
    name: str | None = None
    input: str | None = None


class ToolCall(Strict):
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: Any = None
    cache_control: CacheControl | None = None
    index: Any = None  # of the stream that it was collected from


class ThinkingBlock(Strict):
    type: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    place: str | None = None  # of Google's signatures
    cache_control: Any = None


class Audio(Strict):
    id: str | None = None
    data: Any = None
    expires_at: Any = None
    transcript: Any = None


class Message(Strict):
    """A message of any role. The last members are echoes of a response, without effect."""

    role: str
    content: str | tuple[Part, ...] | None = None
    name: Any = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_call_id: str | None = None
    function_call: Function | None = None
    refusal: str | None = None
    audio: Audio | None = None
    reasoning_content: str | None = None
    thinking_blocks: tuple[ThinkingBlock, ...] | None = None
    extra_content: Any = None
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheControl | None = None
    annotations: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    provider_specific_fields: Any = None
    parsed: Any = None


class FunctionTool(Strict):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = NOTHING
    strict: bool | None = None


class Grammar(Strict):
    syntax: str
    definition: str


class CustomFormat(Strict):
    type: str
    grammar: Grammar | None = None


class CustomTool(Strict):
    name: str
    description: str | None = None
    format: CustomFormat | None = None


class ToolOf(msgspec.Struct):
    """A tool. One of another type is run by the provider: its members are not read."""

    type: str | None = None
    function: FunctionTool | None = None
    custom: CustomTool | None = None
    cache_control: CacheControl | None = None


class Named(msgspec.Struct):
    name: str


class Chosen(msgspec.Struct):
    type: str | None = None
    function: Named | None = None
    custom: Named | None = None
    name: str | None = None


class AllowedTools(msgspec.Struct):
    mode: str
    tools: tuple[Chosen, ...]


class ToolChoiceOf(Chosen):
    allowed_tools: AllowedTools | None = None


class JsonSchema(Strict):
    name: str = "response"
    description: str | None = None
    schema: msgspec.Raw = NOTHING
    strict: bool | None = None


class ResponseFormatOf(Strict):
    type: str
    json_schema: JsonSchema | None = None


class Body(Strict):
    messages: tuple[Message, ...]
    model: Any = None
    audio: Any = None
    frequency_penalty: float | None = None
    function_call: str | Named | None = None
    functions: tuple[FunctionTool, ...] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    metadata: dict[str, Any] | None = None
    modalities: tuple[str, ...] | None = None
    moderation: Any = None
    n: int | None = None
    parallel_tool_calls: bool | None = None
    prediction: Any = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    response_format: ResponseFormatOf | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | tuple[str, ...] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: Any = None
    temperature: float | None = None
    tool_choice: str | ToolChoiceOf | None = None
    tools: tuple[ToolOf, ...] | None = None
    top_k: int | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | None = None
    verbosity: str | None = None
    web_search_options: Any = None


decode_strict: Final = msgspec.json.Decoder(Body).decode
