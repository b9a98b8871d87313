"""The response object that the events of a Responses stream carry, and that is the whole JSON response. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from providers.conversation.apis import WriterContext
from providers.conversation.events import FinishReason
from providers.conversation.responses.usage import document_of
from providers.usage import Usage

_DEFAULTS: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": False,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_REASONING: Final = {"effort": None, "summary": None}
_TEXT: Final = {"format": {"type": "text"}}
_WHY: Final = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")  # in JSON a line break is white space
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ResponseObject:
    """One response: what it repeats of its request is prepared once."""

    __slots__ = ("_base", "_echo", "created", "id")

    def __init__(self, context: WriterContext) -> None:
        self.id, self.created = f"resp_{context.response_id}", context.created
        echo = {name: _in_one_line(value) for name, value in context.conversation.echo.items()}
        self._base = {"id": self.id, "object": "response", "created_at": context.created}
        self._echo: dict[str, Any] = {"model": context.alias, **_DEFAULTS}
        self._echo.update({name: echo[name] for name in _DEFAULTS if name in echo})
        self._echo["reasoning"] = _merged(_REASONING, echo.get("reasoning"))
        self._echo["text"] = _merged(_TEXT, echo.get("text"))

    def running(self) -> dict[str, Any]:
        """Return it as it is before its end."""
        return self._document("in_progress", [], None, None, None)

    def ended(
        self, output: Sequence[Any], usage: Usage | None, reason: FinishReason | None
    ) -> dict[str, Any]:
        """Return it as it is at its end: completed, or incomplete with the cause."""
        why = _WHY.get(reason) if reason is not None else None
        status = "completed" if why is None else "incomplete"
        return self._document(status, output, usage, None, why)

    def failed(self, output: Sequence[Any], usage: Usage | None, code: str, message: str) -> dict[str, Any]:
        return self._document("failed", output, usage, {"code": code, "message": message}, None)

    def _document(
        self,
        status: str,
        output: Sequence[Any],
        usage: Usage | None,
        error: dict[str, str] | None,
        why: str | None,
    ) -> dict[str, Any]:
        tier = usage.service_tier if usage is not None else ""
        return {
            **self._base,
            "status": status,
            "background": False,
            "error": error,
            "incomplete_details": None if why is None else {"reason": why},
            **self._echo,
            "output": output,
            "service_tier": tier or "default",
            "usage": None if usage is None else document_of(usage),
        }


def _in_one_line(value: msgspec.Raw) -> msgspec.Raw:
    """Return it without the line breaks that would end a line of an event."""
    raw = bytes(value)
    return value if b"\n" not in raw and b"\r" not in raw else msgspec.Raw(raw.translate(_ONE_LINE))


def _merged(defaults: dict[str, Any], stated: msgspec.Raw | None) -> dict[str, Any]:
    return defaults if stated is None else {**defaults, **_parts.decode(stated)}
