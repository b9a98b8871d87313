"""The types of body.py for requests that have members which chat does not have."""

from __future__ import annotations

from typing import Final

import msgspec

from providers.conversation.chat.body import (
    Body,
    CacheControl,
    Custom,
    CustomTool,
    File,
    Function,
    FunctionTool,
    ImageUrl,
    InputAudio,
    JsonSchema,
    Message,
    Part,
    ResponseFormatOf,
    ThinkingBlock,
    ToolCall,
    ToolOf,
)


class _LooseFunction(Function, forbid_unknown_fields=False):
    pass


class _LooseCustom(Custom, forbid_unknown_fields=False):
    pass


class _LooseCall(ToolCall, forbid_unknown_fields=False):
    function: _LooseFunction | None = None
    custom: _LooseCustom | None = None


class _LooseControl(CacheControl, forbid_unknown_fields=False):
    pass


class _LooseImage(ImageUrl, forbid_unknown_fields=False):
    pass


class _LooseAudio(InputAudio, forbid_unknown_fields=False):
    pass


class _LooseFile(File, forbid_unknown_fields=False):
    pass


class LoosePart(Part, forbid_unknown_fields=False):
    image_url: _LooseImage | str | None = None
    input_audio: _LooseAudio | None = None
    file: _LooseFile | None = None
    cache_control: _LooseControl | None = None
    prompt_cache_breakpoint: _LooseControl | None = None


class _LooseBlock(ThinkingBlock, forbid_unknown_fields=False):
    pass


class LooseMessage(Message, forbid_unknown_fields=False):
    content: str | tuple[LoosePart, ...] | None = None
    tool_calls: tuple[_LooseCall, ...] | None = None
    function_call: _LooseFunction | None = None
    thinking_blocks: tuple[_LooseBlock, ...] | None = None
    cache_control: _LooseControl | None = None
    prompt_cache_breakpoint: _LooseControl | None = None


class LooseFunctionTool(FunctionTool, forbid_unknown_fields=False):
    pass


class _LooseCustomTool(CustomTool, forbid_unknown_fields=False):
    pass


class LooseTool(ToolOf):
    function: LooseFunctionTool | None = None
    custom: _LooseCustomTool | None = None


class _LooseSchema(JsonSchema, forbid_unknown_fields=False):
    pass


class _LooseFormat(ResponseFormatOf, forbid_unknown_fields=False):
    json_schema: _LooseSchema | None = None


class LooseBody(Body, forbid_unknown_fields=False):
    messages: tuple[LooseMessage, ...]
    tools: tuple[LooseTool, ...] | None = None
    functions: tuple[LooseFunctionTool, ...] | None = None
    response_format: _LooseFormat | None = None


decode_loose: Final = msgspec.json.Decoder(LooseBody).decode
