"""One conversation with a tool, in each client API: what is sent for its next turn, and what is kept of the answer.

The history goes back as the client got it, thinking included, as an agent sends it.
"""

from __future__ import annotations

from typing import Any

import httpx
from typing_extensions import override

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MOST = 6_000


class Conversation:
    """`history` is in the API's own form. `calls` are the ids of the calls that wait for their results."""

    path = ""

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.calls: list[str] = []

    def say(self, text: str) -> None:
        """Add the results of the calls that wait, else what the user says."""
        if self.calls:
            self.history += self._results(self.calls)
            self.calls = []
        else:
            self.history.append({"role": "user", "content": text})

    async def ask(self, client: httpx.AsyncClient, model: str, **headers: str) -> httpx.Response:
        """Send the history, and keep what comes back."""
        answer = await client.post(self.path, json=self._body(model), headers=headers)
        assert answer.status_code == 200, answer.text
        self._keep(answer.json())
        return answer

    def _results(self, calls: list[str]) -> list[dict[str, Any]]:
        raise NotImplementedError

    def _body(self, model: str) -> dict[str, Any]:
        raise NotImplementedError

    def _keep(self, document: dict[str, Any]) -> None:
        raise NotImplementedError


class Chat(Conversation):
    path = "/v1/chat/completions"

    @override
    def _results(self, calls: list[str]) -> list[dict[str, Any]]:
        return [{"role": "tool", "tool_call_id": each, "content": "sunny"} for each in calls]

    @override
    def _body(self, model: str) -> dict[str, Any]:
        tool = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
        return {
            "model": model,
            "messages": self.history,
            "tools": [tool],
            "reasoning_effort": "low",
            "max_completion_tokens": MOST,
        }

    @override
    def _keep(self, document: dict[str, Any]) -> None:
        message = document["choices"][0]["message"]
        self.history.append(message)
        self.calls = [call["id"] for call in message.get("tool_calls") or ()]


class Messages(Conversation):
    path = "/v1/messages"

    @override
    def _results(self, calls: list[str]) -> list[dict[str, Any]]:
        results = [{"type": "tool_result", "tool_use_id": each, "content": "sunny"} for each in calls]
        return [{"role": "user", "content": results}]

    @override
    def _body(self, model: str) -> dict[str, Any]:
        return {
            "model": model,
            "messages": self.history,
            "tools": [{"name": "weather", "input_schema": SCHEMA}],
            "thinking": {"type": "enabled", "budget_tokens": 2_048},
            "max_tokens": MOST,
        }

    @override
    def _keep(self, document: dict[str, Any]) -> None:
        self.history.append({"role": "assistant", "content": document["content"]})
        self.calls = [block["id"] for block in document["content"] if block["type"] == "tool_use"]


class Responses(Conversation):
    path = "/v1/responses"

    @override
    def _results(self, calls: list[str]) -> list[dict[str, Any]]:
        return [{"type": "function_call_output", "call_id": each, "output": "sunny"} for each in calls]

    @override
    def _body(self, model: str) -> dict[str, Any]:
        return {
            "model": model,
            "input": self.history,
            "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA}],
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "max_output_tokens": MOST,
        }

    @override
    def _keep(self, document: dict[str, Any]) -> None:
        self.history += document["output"]
        self.calls = [item["call_id"] for item in document["output"] if item["type"] == "function_call"]


CONVERSATIONS = {"chat": Chat, "messages": Messages, "responses": Responses}
