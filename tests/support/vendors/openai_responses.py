"""OpenAI's Responses API as strict as the vendor: its own ids only, its own reasoning only, no member that it lacks.

One account a server. What it billed is in `bills`, what arrived is in `seen`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from typing_extensions import override

from tests.support.vendors.responses_events import events_of, hello, sse

MEMBERS = frozenset({
    "model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "max_output_tokens",
    "parallel_tool_calls", "temperature", "top_p", "metadata", "user", "safety_identifier", "service_tier", "include",
    "prompt_cache_key", "stream", "store", "previous_response_id", "top_logprobs", "truncation", "max_tool_calls",
    "stream_options",
})  # fmt: skip
LEAST_CAP = 16
SECRET = "vendor-secret"


class Refused(Exception):
    """The request is refused with this status."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        self.status = status
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        self.body = {"error": error}
        super().__init__(message)


class Vendor:
    """The account and its server. `script` decides what the next response has; by default it says "Hello there"."""

    def __init__(self, account: str = "a") -> None:
        self.account = account
        self.seen: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.bills: list[dict[str, int]] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.items: set[str] = set()
        self.ending = "completed"  # completed | incomplete | failed | error | cut
        self.output: Callable[[dict[str, Any]], list[dict[str, Any]]] = hello
        self._numbers = itertools.count(1)
        vendor = self

        class Handler(_Handler):
            account = vendor

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def new_id(self, prefix: str) -> str:
        """Return an id like the vendor's: a prefix and many letters."""
        digest = hashlib.sha256(f"{self.account}{prefix}{next(self._numbers)}".encode()).hexdigest()
        return f"{prefix}_{digest[:48]}"

    def encrypted(self, thought: str) -> str:
        return f"gAAA-{self.account}-{thought.encode().hex()}"

    def check(self, body: dict[str, Any]) -> None:
        """Raise Refused for what the vendor refuses."""
        unknown = body.keys() - MEMBERS
        if unknown:
            name = min(unknown)
            raise Refused(400, f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        if body.get("max_output_tokens") is not None and body["max_output_tokens"] < LEAST_CAP:
            raise Refused(400, "integer below minimum value", "max_output_tokens")
        before = body.get("previous_response_id")
        if before is not None and before not in self.stored:
            raise Refused(
                400, f"Previous response with id '{before}' not found.", "previous_response_id", "not_found"
            )
        given = body.get("input")
        for item in given if isinstance(given, list) else ():
            self._check_item(item)
        for tool in body.get("tools") or ():
            if tool["type"] == "function" and not isinstance(tool.get("name"), str):
                raise Refused(400, "Missing required parameter: 'tools[0].name'.", "tools[0].name")

    def _check_item(self, item: dict[str, Any]) -> None:
        if item.get("type") == "item_reference" and item["id"] not in self.items:
            raise Refused(404, f"Item with id '{item['id']}' not found.", "input")
        if item.get("type") == "reasoning":
            content = item.get("encrypted_content")
            if content is not None and not content.startswith(f"gAAA-{self.account}-"):
                raise Refused(
                    400, "The encrypted content could not be verified.", None, "invalid_encrypted_content"
                )
            if content is None and item.get("id") not in self.items:
                raise Refused(404, f"Item with id '{item.get('id')}' not found.", "input")

    def respond(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a whole response object, stored unless the request says otherwise."""
        output = [self._complete(item) for item in self.output(body)]
        usage = {"input_tokens": 40, "output_tokens": 12, "reasoning_tokens": 4, "cached_tokens": 8}
        self.bills.append(usage)
        status = self.ending if self.ending in {"completed", "incomplete", "failed"} else "completed"
        response = {
            "id": self.new_id("resp"), "object": "response", "created_at": 1_700_000_000, "status": status,
            "error": {"code": "server_error", "message": "It broke."} if status == "failed" else None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": body.get("instructions"), "max_output_tokens": body.get("max_output_tokens"),
            "model": body["model"], "output": output, "parallel_tool_calls": True,
            "previous_response_id": body.get("previous_response_id"),
            "prompt_cache_key": body.get("prompt_cache_key"), "user": body.get("user"),
            "store": body.get("store", True), "temperature": 1.0, "tool_choice": "auto",
            "tools": body.get("tools") or [], "top_p": 1.0, "text": {"format": {"type": "text"}}, "metadata": {},
            "new_member": {"id": "kept as it is"},
            "usage": {
                "input_tokens": 40,
                "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
                "output_tokens": 12,
                "output_tokens_details": {"reasoning_tokens": 4},
                "total_tokens": 52,
            },
        }  # fmt: skip
        if body.get("store", True):
            self.stored[response["id"]] = response
            self.items |= {item["id"] for item in output}
        return response

    def _complete(self, item: dict[str, Any]) -> dict[str, Any]:
        prefixes = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
        item = {"id": self.new_id(prefixes[item["type"]]), **item}
        if item["type"] == "reasoning":
            item["encrypted_content"] = self.encrypted(item.pop("thought"))
        return item


class _Handler(BaseHTTPRequestHandler):
    account: Vendor
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def _answer(self, serve: Callable[[], object]) -> None:
        size = int(self.headers.get("content-length") or 0)
        self.raw = self.rfile.read(size)
        try:
            if self.headers.get("authorization") != f"Bearer {SECRET}":
                raise Refused(401, "Incorrect API key provided.", None, "invalid_api_key")
            found = serve()
        except Refused as refusal:
            self._send(refusal.status, json.dumps(refusal.body).encode())
            return
        if isinstance(found, bytes):
            self._send(200, found, "text/event-stream; charset=utf-8")
        else:
            self._send(200, json.dumps(found).encode())

    def _send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _post(self) -> object:
        vendor, path = self.account, self.path.partition("?")[0]
        if path.endswith("/cancel"):
            raise Refused(400, "Cannot cancel a synchronous response.")
        body = json.loads(self.raw)
        if path == "/v1/chat/completions":  # a probe
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": "pong"},
                "finish_reason": "stop",
            }
            return {"object": "chat.completion", "model": body["model"], "choices": [choice]}
        vendor.bodies.append(self.raw)
        vendor.seen.append(body)
        vendor.check(body)
        if path == "/v1/responses/input_tokens":
            return {"object": "response.input_tokens", "input_tokens": 40}
        response = vendor.respond(body)
        if path == "/v1/responses/compact":
            item = {
                "id": vendor.new_id("cmp"),
                "type": "compaction",
                "encrypted_content": vendor.encrypted("all"),
            }
            return {**response, "object": "response.compaction", "output": [item]}
        if path != "/v1/responses":
            raise Refused(404, "Nothing is here.")
        return sse(events_of(response, vendor.ending)) if body.get("stream") else response

    def _stored(self) -> tuple[dict[str, Any], str]:
        _, _, rest = self.path.partition("?")[0].partition("/v1/responses/")
        named, _, below = rest.partition("/")
        found = self.account.stored.get(named)
        if found is None:
            raise Refused(404, f"Response with id '{named}' not found.")
        return found, below

    def _get(self) -> object:
        found, below = self._stored()
        if below == "input_items":
            item = {"id": self.account.new_id("msg"), "type": "message", "role": "user", "content": []}
            return {
                "object": "list",
                "data": [item],
                "first_id": item["id"],
                "last_id": item["id"],
                "has_more": False,
            }
        return found

    def _delete(self) -> object:
        found, _ = self._stored()
        del self.account.stored[found["id"]]
        return {"id": found["id"], "object": "response", "deleted": True}
