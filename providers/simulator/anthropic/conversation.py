"""A Messages request as one list of items: what its prompt cache, its thinking and its reply depend on. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from providers.simulator.anthropic.models import Traits
from providers.simulator.anthropic.request import (
    AnyBlock,
    Block,
    MessagesRequest,
    RedactedThinking,
    Text,
    Thinking,
    ToolResult,
)
from providers.simulator.anthropic.rules import thinks, turns
from providers.simulator.core import play, scenario
from providers.simulator.core.asked import ANY, AUTO, NONE, Asked, Tool
from providers.simulator.core.counting import PER_TURN, json_tokens, text_tokens, value_tokens
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.prompt_cache import Segment
from providers.simulator.core.signatures import ANYWHERE, is_foreign, opened, verdict

_CHOICES = {"auto": AUTO, "any": ANY, "none": NONE}
_ELSEWHERE = "The block is bound to a different conversation"


class Conversation:
    """`segments` are the prompt; `notes` says what was dropped in silence."""

    def __init__(self, request: MessagesRequest, known: Traits, account: str) -> None:
        """Raises SimulatorError for thinking that is not what the model returned."""
        self._request, self._known, self._account = request, known, account
        self._running = hashlib.blake2b(digest_size=16)
        self.segments: list[Segment] = []
        self.notes: list[str] = []
        for tool in request.tools:
            self._add(tool, json_tokens({"name": tool.name, "d": tool.description, "s": tool.input_schema}))
        for text in request.system_blocks:
            self._add(text, text_tokens(text.text))
        for place, (role, blocks) in enumerate(turns(request)):
            self._turn(place, role, blocks)
        if request.cache_control is not None and self.segments:
            self.segments[-1] = msgspec.structs.replace(self.segments[-1], mark=request.cache_control.ttl)

    @property
    def before(self) -> bytes:
        """What a block that is made now is bound to."""
        return self._running.digest() if self._known.preserved else ANYWHERE

    def behind(self, block: Block) -> bytes:
        """Return what a block is bound to that follows one more of the assistant's."""
        if not self._known.preserved:
            return ANYWHERE
        running = self._running.copy()
        running.update(_data(block, "assistant"))
        return running.digest()

    def asked(self) -> Asked:
        request, merged = self._request, turns(self._request)
        users = [blocks for role, blocks in merged if role == "user"]
        spoken = [blocks for blocks in users if _text(blocks)]
        drama, prompt = scenario.read(_text(spoken[-1]) if spoken else "")
        results = [block for block in merged[-1][1] if isinstance(block, ToolResult)]
        choice, config = request.tool_choice, request.output_config
        return Asked(
            model=request.model,
            material=request.model.encode() + b"".join(segment.data for segment in self.segments),
            prompt=prompt,
            scenario=drama,
            step=play.step(map(_text, spoken), sum(map(_results, users))),
            results=" ".join(_result_text(result) for result in results) if results else None,
            rounds=_rounds(users),
            tools=tuple(Tool(tool.name, tool.input_schema) for tool in request.tools),
            choice=AUTO if choice is None else _CHOICES.get(choice.type, f"={choice.name}"),
            parallel=choice is None or not choice.disable_parallel_tool_use,
            schema=config.format.schema if config is not None and config.format is not None else None,
            thinks=thinks(request, self._known),
            cap=request.max_tokens,
            stops=tuple(request.stop_sequences),
        )

    def _turn(self, place: int, role: str, blocks: list[AnyBlock]) -> None:
        thoughts = 0
        for index, block in enumerate(blocks):
            if isinstance(block, Thinking | RedactedThinking):
                where = f"messages.{place}.content.{index}"
                if not self._keeps(block, where, thoughts):
                    continue
                thoughts += 1
            self._add(block, value_tokens(msgspec.to_builtins(block)) + (PER_TURN if index == 0 else 0), role)

    def _keeps(self, block: Thinking | RedactedThinking, where: str, thoughts: int) -> bool:
        """Raises SimulatorError."""
        model = self._request.model
        if isinstance(block, RedactedThinking):
            if is_foreign(block.data, self._account, model):
                self.notes.append(f"dropped foreign thinking at {where}")
                return False
            if opened(block.data, self._account, model) is None:
                raise SimulatorError(f"{where}: Invalid `data` in `redacted_thinking` block")
            return True
        found = verdict(block.signature, self._account, model, block.thinking, thoughts, self.before)
        if found == "altered":
            raise SimulatorError(f"{where}: Invalid `signature` in `thinking` block")
        if found == "moved":
            raise SimulatorError(
                f"{where}: `thinking` or `redacted_thinking` blocks cannot be modified or moved."
            )
        if found == "elsewhere":
            binding = self._request.thinking and self._request.thinking.block_binding
            if (binding or {}).get("prefix_mismatch_behavior") != "drop_block":
                raise SimulatorError(f"{where}: Invalid `signature` in `thinking` block. {_ELSEWHERE}")
        if found != "ok":
            self.notes.append(f"dropped {found} thinking at {where}")
        return found == "ok"

    def _add(self, value: Any, tokens: int, role: str = "") -> None:
        data = _data(value, role)
        mark = value.cache_control.ttl if value.cache_control is not None else ""
        self._running.update(data)
        self.segments.append(Segment(data, tokens, mark))


def _data(value: Any, role: str) -> bytes:
    """Return a block or tool as bytes, without its mark, which may move."""
    bare = msgspec.structs.replace(value, cache_control=None)
    return role.encode() + msgspec.json.encode(bare)


def _text(blocks: list[AnyBlock]) -> str:
    return " ".join(block.text for block in blocks if isinstance(block, Text))


def _results(blocks: list[AnyBlock]) -> int:
    return sum(isinstance(block, ToolResult) for block in blocks)


def _result_text(result: ToolResult) -> str:
    if isinstance(result.content, str):
        return result.content
    return " ".join(part.text for part in result.content if isinstance(part, Text))


def _rounds(users: list[list[AnyBlock]]) -> int:
    rounds = 0
    for blocks in reversed(users):
        if not _results(blocks):
            break
        rounds += 1
    return rounds
