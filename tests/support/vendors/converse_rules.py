"""What Amazon Bedrock refuses of a Converse body, from its service definition and the reports of its users."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

TOP = {
    "messages", "system", "toolConfig", "inferenceConfig", "additionalModelRequestFields", "outputConfig",
    "serviceTier", "requestMetadata",
}  # fmt: skip
BLOCKS = {"text", "image", "document", "audio", "toolUse", "toolResult", "reasoningContent", "cachePoint"}
IMAGES = {"png", "jpeg", "gif", "webp"}
DOCUMENTS = {"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
MISTRALS_ID = re.compile(r"[a-zA-Z0-9]{9}")
DOCUMENT_NAME = re.compile(r"[a-zA-Z0-9\-()\[\]]+( [a-zA-Z0-9\-()\[\]]+)*")


def fault_in(body: Any, vendor: str) -> str:
    """Return the first fault; "" where the body is accepted."""
    return next(_faults(body, vendor), "")


def _faults(body: Any, vendor: str) -> Iterator[str]:
    if unknown := body.keys() - TOP:
        yield f"extraneous key {unknown}"
    messages = body.get("messages") or []
    if not messages:
        yield "no messages"
        return
    yield from _of_roles(messages, vendor)
    for message in messages:
        yield from _of_message(message, vendor)
    yield from _of_tools(body, messages, vendor)
    yield from _of_points(body, messages)
    yield from _of_inference(body.get("inferenceConfig", {}))
    names = [block["document"]["name"] for block in _blocks(messages) if "document" in block]
    if len(names) != len(set(names)):
        yield "two documents of one name"
    for block in body.get("system", []):
        if not ("cachePoint" in block or block.get("text", "").strip()):
            yield "blank system text"


def _blocks(messages: Any) -> Iterator[Any]:
    for message in messages:
        for block in message["content"]:
            yield block
            if "toolResult" in block:
                yield from block["toolResult"]["content"]


def _of_roles(messages: Any, vendor: str) -> Iterator[str]:
    roles = [message["role"] for message in messages if message["role"] != "system"]
    if roles[0] != "user" and vendor not in {"anthropic", "qwen"}:
        yield "a conversation must start with a user message"
    if any(one == other for one, other in pairwise(roles)):
        yield "roles must alternate"


def _of_message(message: Any, vendor: str) -> Iterator[str]:
    content = message["content"]
    if not content:
        yield "empty content"
    kinds = [next(iter(block), "") for block in content]
    for block in content:
        if len(block) != 1 or not block.keys() <= BLOCKS:
            yield f"a block sets exactly one of the members: {list(block)}"
            return
        yield from _of_block(block, vendor)
    if "document" in kinds and ("text" not in kinds or message["role"] != "user"):
        yield "a document needs a text block beside it, in a user's turn"
    if "toolResult" in kinds and message["role"] != "user":
        yield "results are the user's"
    others = {kind for kind in kinds if kind not in {"toolResult", "cachePoint"}}
    if "toolResult" in kinds and others and vendor in {"meta", "mistral"}:
        yield "toolResult must be alone"
    if "toolResult" in kinds and "document" in kinds and vendor == "anthropic":
        yield "no document beside toolResult"


def _of_block(block: Any, vendor: str) -> Iterator[str]:
    if "text" in block and not block["text"].strip():
        yield "blank text"
    for name, formats in (("image", IMAGES), ("document", DOCUMENTS)):
        if name in block:
            base64.b64decode(block[name]["source"]["bytes"], validate=True)
            if block[name]["format"] not in formats:
                yield f"the format of the {name}"
    if "document" in block and not DOCUMENT_NAME.fullmatch(block["document"]["name"]):
        yield "the document's name"
    reasoning = block.get("reasoningContent", {}).get("reasoningText")
    if reasoning is not None and not reasoning["signature"]:
        yield "unsigned reasoning"
    yield from _of_use(block, vendor)


def _of_use(block: Any, vendor: str) -> Iterator[str]:
    pattern = MISTRALS_ID if vendor == "mistral" else ID
    use, result = block.get("toolUse"), block.get("toolResult")
    if use is not None and not (
        pattern.fullmatch(use["toolUseId"]) and NAME.fullmatch(use["name"]) and isinstance(use["input"], dict)
    ):
        yield "toolUse"
    if result is not None:
        if not pattern.fullmatch(result["toolUseId"]) or not result["content"]:
            yield "toolResult"
        for each in result["content"]:
            yield from _of_block(each, vendor)


def _of_tools(body: Any, messages: Any, vendor: str) -> Iterator[str]:
    uses = [block for block in _blocks(messages) if "toolUse" in block or "toolResult" in block]
    tools = body.get("toolConfig", {}).get("tools", [])
    if (uses or "toolConfig" in body) and not tools:
        yield "the toolConfig field must be defined"
    names = [tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool]
    for tool in tools:
        spec = tool.get("toolSpec")
        if spec is None:
            continue
        if not NAME.fullmatch(spec["name"]) or not spec["description"].strip():
            yield "a tool's name or description"
        if spec["inputSchema"]["json"].get("type") != "object":
            yield "a tool's schema must be an object"
    if len(names) != len(set(names)):
        yield "two tools of one name"
    choice = body.get("toolConfig", {}).get("toolChoice", {})
    if choice and vendor not in {"anthropic", "amazon", "mistral"} and "auto" not in choice:
        yield "this model doesn't support the toolConfig.toolChoice field"
    if "tool" in choice and choice["tool"]["name"] not in names:
        yield "the chosen tool is unknown"


def _of_points(body: Any, messages: Any) -> Iterator[str]:
    lists = [body.get("system", []), body.get("toolConfig", {}).get("tools", [])]
    lists += [message["content"] for message in messages]
    if sum("cachePoint" in block for blocks in lists for block in blocks) > 4:
        yield "more than 4 cache points"
    for blocks in lists:
        before: Any = {"cachePoint": None}  # none may be first
        for block in blocks:
            if "cachePoint" in block and before.keys() & {"cachePoint", "document", "video"}:
                yield "a cache point first, twice, or after a document"
            before = block


def _of_inference(config: Any) -> Iterator[str]:
    if unknown := config.keys() - {"maxTokens", "temperature", "topP", "stopSequences"}:
        yield f"extraneous key {unknown}"
    if not 0 <= config.get("temperature", 0) <= 1 or not 0 <= config.get("topP", 0) <= 1:
        yield "temperature or topP"
    if config.get("maxTokens", 1) < 1 or not all(config.get("stopSequences", ["x"])):
        yield "maxTokens or stopSequences"
