"""A strict stand-in for Anthropic's Messages API: it refuses what the real one refuses, and answers in its shapes
(tests/support/vendors/anthropic_rules.py). Shapes: Anthropic's API reference, "Messages", "Errors", "Streaming".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.integration.providers.raw_server import Peer
from tests.support.vendors.anthropic_rules import Refused, check, need

KEY = "sk-ant-1"


def event(name: str, **members: Any) -> bytes:
    """Return one event; the JSON has the padding that the real one has."""
    return b"event: %b\ndata: %b   \n\n" % (name.encode(), json.dumps({"type": name, **members}).encode())


USAGE = {
    "input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3,
    "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}, "output_tokens": 1,
    "service_tier": "standard",
}  # fmt: skip
LAST_USAGE = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "sig-1"}


def message(blocks: list[dict[str, Any]], reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-up", "content": blocks,
        "stop_reason": reason, "stop_sequence": None, "usage": USAGE | LAST_USAGE, **more,
    }  # fmt: skip


def stream(
    blocks: list[dict[str, Any]], reason: str = "end_turn", usage: dict[str, Any] | None = None
) -> bytes:
    """Return a message as its stream."""
    begun = message([], reason) | {"stop_reason": None, "usage": USAGE}
    out = [event("message_start", message=begun), event("ping")]
    for index, block in enumerate(blocks):
        start, deltas = split(block)
        out.append(event("content_block_start", index=index, content_block=start))
        out += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        out.append(event("content_block_stop", index=index))
    ended = {"stop_reason": reason, "stop_sequence": None}
    out += [event("message_delta", delta=ended, usage=usage or LAST_USAGE), event("message_stop")]
    return b"".join(out)


def split(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = block["type"]
    if kind == "text":
        half = len(block["text"]) // 2
        pieces = [block["text"][:half], block["text"][half:]]
        return block | {"text": ""}, [{"type": "text_delta", "text": each} for each in pieces]
    if kind == "thinking":
        thought = {"type": "thinking_delta", "thinking": block["thinking"]}
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return block | {"thinking": "", "signature": ""}, [thought, signed]
    if kind == "tool_use":
        text = json.dumps(block["input"])
        pieces = ["", *([] if text == "{}" else [text[:3], text[3:]])]
        return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": each} for each in pieces]
    return block, []


Blocks = list[dict[str, Any]]


class Api:
    """The script of a RawServer. `bodies` and `heads` are what it was sent."""

    def __init__(
        self,
        blocks: Blocks,
        reason: str = "end_turn",
        *,
        path: str = "/v1/messages",
        key_header: str = "x-api-key",
    ) -> None:
        self._key = f"\n{key_header}: {KEY}"
        self._blocks, self._reason, self._path = blocks, reason, path
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.heads: list[str] = []
        self.edit: Callable[[bytes], bytes] = lambda whole: whole

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, _, raw = (await peer.request()).partition(b"\r\n\r\n")
            self.heads.append(head.decode().lower())
            self.raw.append(raw)
            if not head.startswith(b"POST %b HTTP" % self._path.encode()):
                await self.refuse(peer, 404, "not_found_error", "Not found")
                continue
            body = json.loads(raw)
            self.bodies.append(body)
            try:
                self.check_head(self.heads[-1])
                check(body)
            except Refused as fault:
                await self.refuse(peer, 400, "invalid_request_error", str(fault))
                continue
            if not body.get("stream"):
                await peer.answer(self.edit(json.dumps(message(self._blocks, self._reason)).encode()))
                continue
            await peer.start_stream()
            for part in self.edit(stream(self._blocks, self._reason)).split(b"\n\n"):
                if part:
                    await peer.chunk(part + b"\n\n")
            await peer.send(b"0\r\n\r\n")

    def check_head(self, head: str) -> None:
        has_key, has_token = self._key in head, "authorization: bearer" in head
        need(has_key != has_token, "multiple authentication credentials received")
        need("anthropic-version: " in head, "anthropic-version: header is required")

    async def refuse(self, peer: Peer, status: int, kind: str, why: str) -> None:
        body = json.dumps(
            {"type": "error", "error": {"type": kind, "message": why}, "request_id": "req_1"}
        ).encode()
        head = b"HTTP/1.1 %d Refused\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        await peer.send(head % (status, len(body)), body)
