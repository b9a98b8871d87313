"""The pages of models of several vendors, on one real socket. Answers only what is asked with the right credential."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

KEY = "sk-vendor-1234567"
YES, NO = {"supported": True}, {"supported": False}
CLAUDE: dict[str, Any] = {
    "type": "model",
    "id": "claude-opus-5-5",
    "display_name": "Claude Opus 5.5",
    "max_input_tokens": 1_000_000,
    "max_tokens": 96_000,
    "lifecycle": "active",
    "retires_at": "2027-09-01T00:00:00Z",
    "capabilities": {
        "effort": {"supported": True, "low": YES, "medium": YES, "high": YES, "max": YES, "xhigh": NO},
        "image_input": YES,
        "pdf_input": YES,
        "structured_outputs": YES,
        "thinking": {"supported": True, "types": {"adaptive": YES, "enabled": NO, "disabled": NO}},
    },
}
ROUTED: dict[str, Any] = {
    "id": "deepseek-ai/DeepSeek-V3.2",
    "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
    "providers": [
        {"provider": "novita", "status": "live", "context_length": 163_840, "supports_tools": True,
         "supports_structured_output": False},
        {"provider": "groq", "status": "live", "context_length": 131_072, "supports_tools": True,
         "supports_structured_output": True},
        {"provider": "odd", "status": "live"},
    ],
}  # fmt: skip
PAGES: dict[str, Any] = {
    "/v1/models/gpt-4o": {"id": "gpt-4o", "object": "model", "shutdown_date": "2027-01-14"},
    "/v1/models/claude-opus-5-5": CLAUDE,
    "/v1/models": {"object": "list", "data": [{"id": "mine", "max_model_len": 8192}, ROUTED]},
    "/openai/v1/models": {
        "data": [
            {"id": "gpt-4o", "lifecycle_status": "deprecated", "deprecation": {"inference": 1_799_884_800}}
        ]
    },
    "/foundation-models/amazon.nova-pro-v1%3A0": {
        "modelDetails": {
            "modelId": "amazon.nova-pro-v1:0",
            "inputModalities": ["TEXT", "IMAGE", "VIDEO"],
            "modelLifecycle": {"status": "LEGACY", "endOfLifeTime": "2027-03-30T00:00:00+00:00"},
        }
    },
    "/v1beta/models/gemini-3-flash": {
        "name": "models/gemini-3-flash",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "thinking": True,
    },
}


class Vendors(ThreadingHTTPServer):
    """`asked`: path and headers of each request. `status`: of every answer, if it is not 200. `raw`: as its body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.raw = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Vendors

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers))
        page = PAGES.get(self.path.partition("?")[0])
        keys = {headers.get("authorization"), headers.get("x-api-key"), headers.get("api-key")}
        if keys.isdisjoint({f"Bearer {KEY}", KEY}):
            self._answer(401, b'{"error": {"message": "bad key"}}')
        elif self.server.raw or self.server.status != 200:
            self._answer(self.server.status, self.server.raw)
        elif page is None:
            self._answer(404, b'{"error": {"message": "no such model"}}')
        else:
            self._answer(200, json.dumps(page).encode())

    @override
    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[Vendors]:
    """Serve the pages until the end of the block."""
    server = Vendors()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
