"""A response of generateContent: the document, and the chunks that build it up. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from providers.simulator.core.exchange import Frame
from providers.simulator.core.prompt_cache import CacheUse
from providers.simulator.core.replying import MadeCall, Reply
from providers.simulator.core.signatures import sign
from providers.simulator.core.text import tokens_of_piece

_REASONS = {"length": "MAX_TOKENS", "refusal": "SAFETY"}  # others: STOP
Step = tuple[list[dict[str, Any]], int]


class Generated:
    """One response with its candidates. `shows`: thoughts are wanted. `is_signed`: its model signs its calls."""

    def __init__(self, model: str, account: str, replies: list[Reply], used: CacheUse) -> None:
        self._model, self._account, self._replies, self._used = model, account, replies, used
        self.shows = self.is_signed = False
        self.tier: dict[str, str] = {}

    @property
    def is_blocked(self) -> bool:
        return self._replies[0].finish == "filter"

    def usage(self) -> dict[str, Any]:
        used, thoughts = self._used, sum(reply.thinking.tokens for reply in self._replies)
        output = 0 if self.is_blocked else sum(map(_visible, self._replies))
        made: dict[str, Any] = {"promptTokenCount": used.total}
        if used.read:
            made["cachedContentTokenCount"] = used.read
            made["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": used.read}]
        if output:
            made["candidatesTokenCount"] = output
            made["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": output}]
        if thoughts:
            made["thoughtsTokenCount"] = thoughts
        made["totalTokenCount"] = used.total + output + thoughts
        made["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": used.total}]
        return {**made, **self.tier}

    def document(self) -> dict[str, Any]:
        if self.is_blocked:
            return {**self._blocked(), "usageMetadata": self.usage(), **self._foot()}
        candidates = []
        for index, reply in enumerate(self._replies):
            parts = self._merged(part for parts, _ in self._steps(reply) for part in parts)
            candidates.append(self._candidate(index, parts, _reason(reply)))
        return {"candidates": candidates, "usageMetadata": self.usage(), **self._foot()}

    def chunks(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the chunks with the output tokens by then. Usage so far is on the last one."""
        produced = 0
        early = {"promptTokenCount": self._used.total, "totalTokenCount": self._used.total, **self.tier}
        if self.is_blocked:
            yield {**self._blocked(), "usageMetadata": self.usage(), **self._foot()}, 0
            return
        for index, reply in enumerate(self._replies):
            for parts, tokens in self._steps(reply):
                produced += tokens
                if parts:
                    candidate = self._candidate(index, parts, None)
                    yield {"candidates": [candidate], "usageMetadata": early, **self._foot()}, produced
        for index, reply in enumerate(self._replies):
            refuses = reply.finish == "refusal"
            last = self._candidate(index, [] if refuses else [{"text": ""}], _reason(reply))
            yield {"candidates": [last], "usageMetadata": self.usage(), **self._foot()}, produced

    def _steps(self, reply: Reply) -> Iterator[Step]:
        if reply.thinking.pieces:
            shown = [{"text": reply.thinking.whole, "thought": True}] if self.shows else []
            yield shown, reply.thinking.tokens
        if reply.finish == "refusal":
            return
        for piece in reply.text.pieces:
            yield [{"text": piece}], tokens_of_piece(piece)
        if reply.text.pieces and reply.thinking.pieces and not reply.calls:
            yield [{"text": "", "thoughtSignature": sign(self._account, self._model, "")}], 0
        for place, call in enumerate(reply.calls):
            if not call.arguments.cut:
                yield [self._call(call, is_first=place == 0)], call.tokens

    def _call(self, call: MadeCall, *, is_first: bool) -> dict[str, Any]:
        part: dict[str, Any] = {
            "functionCall": {"name": call.name, "args": orjson.loads(call.arguments.whole)}
        }
        if is_first and self.is_signed:
            part["thoughtSignature"] = sign(self._account, self._model, call.name)
        return part

    def _merged(self, parts: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
        """Join the pieces of plain text."""
        made: list[dict[str, Any]] = []
        for part in parts:
            if made and part.keys() == {"text"} == made[-1].keys():
                made[-1] = {"text": made[-1]["text"] + part["text"]}
            elif made and part.get("text") == "" and made[-1].keys() == {"text"}:
                made[-1] = {**made[-1], "thoughtSignature": part["thoughtSignature"]}
            else:
                made.append(part)
        return made

    def _candidate(self, index: int, parts: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
        content = {"role": "model", **({"parts": parts} if parts else {})}
        made: dict[str, Any] = {"content": content}
        if reason is not None:
            made["finishReason"] = reason
        return {**made, "index": index} if index else made

    def _blocked(self) -> dict[str, Any]:
        return {
            "promptFeedback": {
                "blockReason": "PROHIBITED_CONTENT",
                "blockReasonMessage": "The prompt was blocked.",
            }
        }

    def _foot(self) -> dict[str, Any]:
        return {"modelVersion": self._model, "responseId": f"sim{self._replies[0].key}"}


def sse(body: dict[str, Any], tokens: int) -> Frame:
    return Frame(b"data: " + orjson.dumps(body) + b"\r\n\r\n", tokens)


def _visible(reply: Reply) -> int:
    if reply.finish == "refusal":
        return 0
    return reply.text.tokens + sum(call.tokens for call in reply.calls)


def _reason(reply: Reply) -> str:
    return _REASONS.get(reply.finish, "STOP")
