"""A Converse request as one list of items: what its prompt cache, its thinking and its reply depend on. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import orjson

from providers.simulator.anthropic.models import traits
from providers.simulator.bedrock.request import Block, ConverseRequest, ReasoningContent, claude_fields
from providers.simulator.bedrock.rules import is_claude
from providers.simulator.core import play, scenario
from providers.simulator.core.asked import ANY, AUTO, NONE, Asked, Tool
from providers.simulator.core.counting import PER_TURN, json_tokens, text_tokens, value_tokens
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.prompt_cache import Segment
from providers.simulator.core.signatures import ANYWHERE, is_foreign, opened, verdict


class Conversation:
    """`segments` are the prompt; `notes` says what was dropped in silence."""

    def __init__(self, request: ConverseRequest, model: str, account: str) -> None:
        """Raises SimulatorError for thinking that is not what the model returned."""
        self._request, self._model, self._account = request, model, account
        self._preserved = is_claude(model) and traits(model).preserved
        self._running = hashlib.blake2b(digest_size=16)
        self.segments: list[Segment] = []
        self.notes: list[str] = []
        for entry in request.toolConfig.tools if request.toolConfig is not None else ():
            shown = {"toolSpec": msgspec.to_builtins(entry.toolSpec)} if entry.toolSpec is not None else {}
            self._add(entry, json_tokens(shown), "")
        for text in request.system:
            self._add(text, text_tokens(text.text or ""), "")
        for place, message in enumerate(request.messages):
            thoughts = 0
            for index, block in enumerate(message.content):
                if block.reasoningContent is not None:
                    where = f"messages.{place}.content.{index}"
                    if not self._keeps(block.reasoningContent, where, thoughts):
                        continue
                    thoughts += 1
                extra = PER_TURN if index == 0 else 0
                self._add(block, value_tokens(msgspec.to_builtins(block)) + extra, message.role)

    @property
    def before(self) -> bytes:
        """What a block that is made now is bound to."""
        return self._running.digest() if self._preserved else ANYWHERE

    def asked(self) -> Asked:
        """Raises SimulatorError."""
        request, config = self._request, self._request.inferenceConfig
        users = [message.content for message in request.messages if message.role == "user"]
        spoken = [text for text in map(_text, users) if text]
        drama, prompt = scenario.read(spoken[-1] if spoken else "")
        results = [block.toolResult for block in request.messages[-1].content if block.toolResult is not None]
        texts = [part.text or _dumped(part.json) for result in results for part in result.content]
        fields = claude_fields(request) if is_claude(self._model) else None
        own_choice = fields.tool_choice if fields is not None else None
        return Asked(
            model=self._model,
            material=self._model.encode() + b"".join(segment.data for segment in self.segments),
            prompt=prompt,
            scenario=drama,
            step=play.step(spoken, sum(map(_results, users))),
            results=" ".join(texts) if results else None,
            rounds=_rounds(users),
            tools=tuple(
                Tool(spec.name, spec.inputSchema.get("json") or {})
                for spec in (request.toolConfig.specs if request.toolConfig is not None else ())
            ),
            choice=NONE if own_choice is not None and own_choice.type == "none" else _choice(request),
            parallel=own_choice is None or not own_choice.disable_parallel_tool_use,
            schema=_schema(request),
            thinks=self._thinks(drama),
            cap=config.maxTokens,
            stops=tuple(config.stopSequences),
        )

    def _thinks(self, drama: scenario.Scenario) -> bool:
        if not is_claude(self._model):
            return drama.thinks or "reasoning" in str(self._request.additionalModelRequestFields)
        chosen = claude_fields(self._request).thinking
        if chosen is None:
            return traits(self._model).thinks_by_default
        return chosen.type in {"enabled", "adaptive"}

    def _keeps(self, content: ReasoningContent, where: str, thoughts: int) -> bool:
        """Raises SimulatorError."""
        if content.redactedContent is not None:
            if is_foreign(content.redactedContent, self._account, self._model):
                self.notes.append(f"dropped foreign thinking at {where}")
                return False
            if opened(content.redactedContent, self._account, self._model) is None:
                raise SimulatorError(f"{where}: Invalid `data` in `redacted_thinking` block")
            return True
        shown = content.reasoningText
        if shown is None or shown.signature is None:
            raise SimulatorError(f"{where}.reasoningContent.reasoningText.signature: Field required")
        found = verdict(shown.signature, self._account, self._model, shown.text, thoughts, self.before)
        if found == "foreign":
            self.notes.append(f"dropped foreign thinking at {where}")
        elif found != "ok":
            more = " The block is bound to a different conversation" if found == "elsewhere" else ""
            raise SimulatorError(f"{where}: Invalid `signature` in `thinking` block.{more}")
        return found == "ok"

    def _add(self, entry: Any, tokens: int, role: str) -> None:
        if entry.cachePoint is not None:
            self.segments[-1] = msgspec.structs.replace(self.segments[-1], mark=entry.cachePoint.ttl)
            return
        data = role.encode() + msgspec.json.encode(entry)
        self._running.update(data)
        self.segments.append(Segment(data, tokens))


def _text(blocks: list[Block]) -> str:
    return " ".join(block.text for block in blocks if block.text is not None)


def _dumped(value: Any) -> str:
    return orjson.dumps(value).decode() if value is not None else ""


def _results(blocks: list[Block]) -> int:
    return sum(block.toolResult is not None for block in blocks)


def _rounds(users: list[list[Block]]) -> int:
    rounds = 0
    for blocks in reversed(users):
        if not _results(blocks):
            break
        rounds += 1
    return rounds


def _choice(request: ConverseRequest) -> str:
    choice = request.toolConfig.toolChoice if request.toolConfig is not None else None
    if choice is None:
        return AUTO
    if choice.tool is not None:
        return f"={choice.tool.name}"
    return ANY if choice.any is not None else AUTO


def _schema(request: ConverseRequest) -> dict[str, Any] | None:
    output = request.outputConfig
    if output is None or output.textFormat is None:
        return None
    made: dict[str, Any] = orjson.loads(output.textFormat.structure.jsonSchema.schema)
    return made
