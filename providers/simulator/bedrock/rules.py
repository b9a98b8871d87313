"""What Converse refuses of a well-formed request (providers' documentation, "Bedrock"). Pure."""

from __future__ import annotations

import itertools
import re
from typing import Any

import orjson

from providers.simulator.anthropic.models import traits
from providers.simulator.anthropic.request import MessagesRequest
from providers.simulator.anthropic.rules import check_settings
from providers.simulator.anthropic.schema_limits import check_schema
from providers.simulator.bedrock.request import Block, ConverseRequest, Message, claude_fields
from providers.simulator.core.errors import SimulatorError

MOST_MARKS, MOST_IMAGES, MOST_DOCUMENTS = 4, 20, 5
_TOOL_ID = re.compile(r"^[a-zA-Z0-9_.:-]{1,64}$")
_TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_DOCUMENT_NAME = re.compile(r"^(?!.* {2})[A-Za-z0-9 \-()\[\]]{1,200}$")
_FORCES = re.compile(r"claude|nova|mistral-large")
_MISTRAL_ID = 9
_FORMATS = {"png", "jpeg", "gif", "webp"}


def is_claude(model: str) -> bool:
    return "claude" in model


def check(request: ConverseRequest, model: str) -> None:
    """Raises SimulatorError."""
    if not request.messages:
        raise SimulatorError("messages: at least one message is required")
    _check_order(request, model)
    for place, message in enumerate(request.messages):
        _check_message(message, f"messages.{place}")
    _check_media(request)
    _check_marks(request)
    _check_pairs(request)
    _check_results_alone(request, model)
    _check_tools(request, model)
    _check_settings(request, model)


def _check_order(request: ConverseRequest, model: str) -> None:
    roles = [message.role for message in request.messages]
    if roles[0] != "user" and not re.search("claude|qwen", model):
        raise SimulatorError(
            "A conversation must start with a user message. Try again with a conversation that starts "
            "with a user message."
        )
    if any(before == role for before, role in itertools.pairwise(roles)):
        raise SimulatorError(
            "A conversation must alternate between user and assistant roles. Make sure the "
            "conversation alternates "
            "between user and assistant roles and try again."
        )


def _check_message(message: Message, where: str) -> None:
    if not message.content:
        raise SimulatorError(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock object "
            "to the content field and try again."
        )
    for index, block in enumerate(message.content):
        at = f"{where}.content.{index}"
        kinds = block.kinds
        if len(kinds) != 1:
            raise SimulatorError(
                f"{at}: exactly one member of a ContentBlock must be set, found {len(kinds)}"
            )
        if block.text is not None and not block.text.strip():
            raise SimulatorError(
                f"The text field in the ContentBlock object at {at} is blank. Add text to the text "
                "field, and try again."
            )
        if block.toolResult is not None and message.role != "user":
            raise SimulatorError(f"{at}: toolResult is only allowed in user messages")
        if (block.toolUse is not None or block.reasoningContent is not None) and message.role != "assistant":
            raise SimulatorError(f"{at}: {kinds[0]} is only allowed in assistant messages")
        if block.toolUse is not None and not (
            _TOOL_ID.match(block.toolUse.toolUseId) and _TOOL_NAME.match(block.toolUse.name)
        ):
            raise SimulatorError(
                f"{at}: Value at 'toolUse' failed to satisfy constraint: toolUseId "
                f"[a-zA-Z0-9_.:-]{{1,64}}, name [a-zA-Z0-9_-]{{1,64}}"
            )
        if block.toolUse is not None and not isinstance(block.toolUse.input, dict):
            raise SimulatorError(
                f"The format of the value at {at}.toolUse.input is invalid. Provide a json object for "
                "the field and try again."
            )
        _check_result(block, at)


def _check_result(block: Block, at: str) -> None:
    for content in block.toolResult.content if block.toolResult is not None else ():
        given = [name for name in content.__struct_fields__ if getattr(content, name) is not None]
        if len(given) != 1:
            raise SimulatorError(
                f"{at}.toolResult.content: exactly one member must be set, found {len(given)}"
            )


def _check_media(request: ConverseRequest) -> None:
    blocks = [block for message in request.messages for block in message.content]
    images = [block.image for block in blocks if block.image is not None]
    documents = [block.document for block in blocks if block.document is not None]
    if len(images) > MOST_IMAGES or len(documents) > MOST_DOCUMENTS:
        raise SimulatorError(
            f"The request has too many images or documents: at most {MOST_IMAGES} and {MOST_DOCUMENTS}."
        )
    if any(image.format not in _FORMATS for image in images):
        raise SimulatorError("Value at 'image.format' failed to satisfy constraint: [png, jpeg, gif, webp]")
    names = [document.name for document in documents]
    if not all(_DOCUMENT_NAME.match(name) for name in names):
        raise SimulatorError(
            "The document file name can only contain alphanumeric characters, whitespace characters, "
            "hyphens, parentheses, and square brackets. The name can't contain more than one "
            "consecutive whitespace character."
        )
    if len(names) != len(set(names)):
        raise SimulatorError("Document names must be unique: Found duplicate document names.")
    for message in request.messages:
        has_document = any(block.document is not None for block in message.content)
        if has_document and not any(block.text is not None for block in message.content):
            raise SimulatorError("A text block must be included when a document is provided.")
        if has_document and message.role != "user":
            raise SimulatorError("Documents are only allowed in user messages.")


def _check_marks(request: ConverseRequest) -> None:
    tools: list[Any] = list(request.toolConfig.tools) if request.toolConfig is not None else []
    found = 0
    rows: list[list[Any]] = [tools, list(request.system), *(list(each.content) for each in request.messages)]
    for row in rows:
        before = "cachePoint"
        for entry in row:
            if entry.cachePoint is not None:
                found += 1
                if before == "cachePoint":
                    raise SimulatorError(
                        "cachePoint cannot be the first element or follow another cachePoint."
                    )
            document = getattr(entry, "document", None) or getattr(entry, "video", None)
            after_document = before == "document" and entry.cachePoint is not None
            if after_document:
                raise SimulatorError("cachePoint cannot be inserted after a document or video.")
            before = "cachePoint" if entry.cachePoint is not None else "document" if document else "other"
    if found > MOST_MARKS:
        raise SimulatorError(f"A maximum of {MOST_MARKS} cache points may be provided. Found {found}.")


def _check_pairs(request: ConverseRequest) -> None:
    open_calls: set[str] = set()
    for place, message in enumerate(request.messages):
        answered = {block.toolResult.toolUseId for block in message.content if block.toolResult is not None}
        if missing := open_calls - answered:
            raise SimulatorError(
                f"Expected toolResult blocks at messages.{place}.content for the following Ids: "
                f"{', '.join(sorted(missing))}"
            )
        if answered - open_calls:
            raise SimulatorError(
                f"The number of toolResult blocks at messages.{place}.content exceeds the number of toolUse blocks "
                "of previous turn."
            )
        open_calls = {block.toolUse.toolUseId for block in message.content if block.toolUse is not None}
    if open_calls:
        raise SimulatorError(
            f"Expected toolResult blocks for the following Ids: {', '.join(sorted(open_calls))}"
        )


def _check_results_alone(request: ConverseRequest, model: str) -> None:
    """Check what the models of some vendors want of tool results."""
    for message in request.messages:
        results = [block.toolResult for block in message.content if block.toolResult is not None]
        if not results:
            continue
        if re.search("llama|mistral", model) and len(results) < len(message.content):
            raise SimulatorError(
                "This model doesn't support tool results beside other content in one message."
            )
        if "mistral" in model and any(len(result.toolUseId) != _MISTRAL_ID for result in results):
            raise SimulatorError("Tool call id has to be defined in serialization format: 9 characters.")
        if "writer" in model and any(result.status is not None for result in results):
            raise SimulatorError("This model doesn't support the status field.")
        if is_claude(model) and any(block.document or block.video for block in message.content):
            raise SimulatorError("This model doesn't support documents or videos beside tool results.")


def _check_tools(request: ConverseRequest, model: str) -> None:
    config = request.toolConfig
    has_history = any(
        block.toolUse is not None or block.toolResult is not None
        for message in request.messages
        for block in message.content
    )
    if config is None:
        if has_history:
            raise SimulatorError(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            )
        return
    specs = config.specs
    if not specs:
        raise SimulatorError("toolConfig.tools: at least one toolSpec is required")
    for spec in specs:
        if not _TOOL_NAME.match(spec.name) or spec.description == "":
            raise SimulatorError(
                "toolSpec: name must match [a-zA-Z0-9_-]{1,64}, description must not be empty"
            )
        schema = spec.inputSchema.get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise SimulatorError(
                "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the "
                "following: object."
            )
    choice = config.toolChoice
    if choice is not None and choice.auto is None:
        if not _FORCES.search(model):
            raise SimulatorError(
                "This model doesn't support the toolConfig.toolChoice.any field. Remove "
                "toolConfig.toolChoice.any and try again."
            )
        if choice.tool is not None and choice.tool.name not in {spec.name for spec in specs}:
            raise SimulatorError(f"The tool {choice.tool.name} of toolChoice is not defined.")


def _check_settings(request: ConverseRequest, model: str) -> None:
    config, output = request.inferenceConfig, request.outputConfig
    if config.temperature is not None and not 0 <= config.temperature <= 1:
        raise SimulatorError("Value at 'inferenceConfig.temperature' failed to satisfy constraint: 0 to 1")
    if config.maxTokens is not None and config.maxTokens < 1:
        raise SimulatorError("Value at 'inferenceConfig.maxTokens' failed to satisfy constraint: at least 1")
    if any(not stop for stop in config.stopSequences):
        raise SimulatorError(
            "Value at 'inferenceConfig.stopSequences' failed to satisfy constraint: not empty"
        )
    strict = request.toolConfig is not None and any(spec.strict for spec in request.toolConfig.specs)
    has_format = output is not None and output.textFormat is not None
    if (strict or has_format) and not re.search(r"-4-[56]|qwen3|mistral|gemma", model):
        raise SimulatorError("This model doesn't support structured output.")
    if has_format and output is not None and output.textFormat is not None:
        try:
            schema = orjson.loads(output.textFormat.structure.jsonSchema.schema)
        except orjson.JSONDecodeError as error:
            raise SimulatorError("outputConfig.textFormat: the schema is not valid JSON") from error
        check_schema(schema, "outputConfig.textFormat")
    if is_claude(model):
        _check_claude(request, model)


def _check_claude(request: ConverseRequest, model: str) -> None:
    fields, config = claude_fields(request), request.inferenceConfig
    made = MessagesRequest(
        model=model,
        messages=[],
        max_tokens=config.maxTokens or traits(model).max_tokens,
        temperature=config.temperature,
        top_p=config.topP,
        top_k=fields.top_k,
        thinking=fields.thinking,
        output_config=fields.output_config,
    )
    check_settings(made, traits(model))
    thinks = fields.thinking is not None and fields.thinking.type in {"enabled", "adaptive"}
    if thinks and fields.thinking is not None and fields.thinking.type == "enabled":
        _check_final_turn(request)
    choice = request.toolConfig.toolChoice if request.toolConfig is not None else None
    if choice is not None and choice.auto is None and (thinks or not traits(model).forced_choice):
        raise SimulatorError("Thinking may not be enabled when tool_choice forces tool use.")


def _check_final_turn(request: ConverseRequest) -> None:
    *earlier, last = request.messages
    is_step = any(block.toolResult is not None for block in last.content)
    if is_step and earlier and earlier[-1].content[0].reasoningContent is None:
        raise SimulatorError(
            f"messages.{len(earlier) - 1}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{earlier[-1].content[0].kinds[0]}`. When `thinking` is enabled, a final `assistant` message must start "
            "with a thinking block."
        )
