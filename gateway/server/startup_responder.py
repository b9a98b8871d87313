"""Responds on the listening socket during startup: the process is alive, and not ready. One thread, no Django.

Without it a load balancer's probe would hang in the backlog for as long as the database is away. A browser gets a page;
internal clients get the reason why a store is not available, all others only the store's name.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from providers.errors.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CLIENT_S = 1.0  # a client that sends nothing must not block the others
_HEAD_BYTES = 4096
_HEAD: Final = (
    "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\ncache-control: no-store\r\n"
)
_JSON, _HTML = "application/json", "text/html; charset=utf-8"
_ALIVE = '{"status":"ok"}'
_REFUSAL = (
    '{"error":{"message":"The gateway is starting.","type":"api_error",'  # as gateway/http/errors.py has it
    '"param":null,"code":"starting"}}'
)
_ANTHROPIC_REFUSAL: Final = (
    '{"type":"error","error":{"type":"overloaded_error",'
    '"message":"The gateway is starting.","code":"starting"}}'
)
_PREPARES, _WAITS = "it prepares its stores", "it waits for {store}"
_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3"><title>Starting</title></head>
<body><h1>The gateway is starting</h1>
<p>At the moment {what}. The page asks again every 3 seconds.</p>
<p>If this lasts: the log of <code>serve</code> and <code>manage.py check</code> have the reason.</p></body></html>
"""


def _never(address: str, headers: Mapping[str, str]) -> bool:  # noqa: ARG001 - the signature of may_see
    return False


class Waiting:
    """What the startup waits for. `may_see` decides by address and headers who gets the reason, without `secrets`."""

    def __init__(
        self, may_see: Callable[[str, Mapping[str, str]], bool] = _never, secrets: tuple[str, ...] = ()
    ) -> None:
        self.may_see, self._secrets = may_see, secrets
        self._now = ("", "")  # store and reason in one assignment: threads read it

    def reporter_for(self, store: str) -> Callable[[str], None]:
        """Return a callback for the reason why this store is not available, called with "" once it is."""
        return partial(self._set, store)

    def _set(self, store: str, reason: str) -> None:
        self._now = (store, redact(reason, self._secrets)) if reason else ("", "")

    def activity(self, *, with_reason: bool = False) -> str:
        """Return the current activity as half a sentence."""
        store, reason = self._now
        if not store:
            return _PREPARES
        return _WAITS.format(store=store) + (f": {reason}" if with_reason else "")


@contextmanager
def startup_responder(listener: socket.socket, waiting: Waiting | None = None) -> Iterator[None]:
    """Respond until the block ends; later connections are the server's. The listener must not block."""
    done, stop = socket.socketpair()
    arguments = (listener, done, waiting or Waiting())
    thread = threading.Thread(target=_answer_all, args=arguments, name="waiting-room")
    thread.start()
    try:
        yield
    finally:
        stop.close()
        thread.join()
        done.close()


def _answer_all(listener: socket.socket, done: socket.socket, waiting: Waiting) -> None:
    while True:
        ready, _, _ = select.select([listener, done], [], [])
        if done in ready:
            return
        with suppress(OSError):  # the client disconnected
            client, address = listener.accept()
            with client:
                client.settimeout(CLIENT_S)
                client.sendall(_answer(client.recv(_HEAD_BYTES), str(address[0]), waiting))
                client.shutdown(socket.SHUT_WR)


def _answer(head: bytes, address: str, waiting: Waiting) -> bytes:
    first, _, rest = head.partition(b"\r\n")
    path = first.partition(b" ")[2].partition(b" ")[0].partition(b"?")[0].decode("latin-1")
    fields, end, _ = rest.partition(b"\r\n\r\n")
    headers = _headers(fields)
    status, extra, kind = "503 Service Unavailable", "retry-after: 1\r\n", _JSON
    if path == "/healthz":
        status, body, extra = "200 OK", _ALIVE, ""
    elif path == "/readyz":
        is_insider = bool(end) and waiting.may_see(address, headers)
        reason = f"the gateway is starting: {waiting.activity(with_reason=is_insider)}"
        body = json.dumps({"status": "starting", "reasons": [reason]})
    elif "text/html" in headers.get("accept", "") and not path.startswith("/v1"):
        kind, body = _HTML, _PAGE.format(what=waiting.activity())
        extra += "content-security-policy: default-src 'none'\r\n"
    else:
        body = _ANTHROPIC_REFUSAL if path.startswith("/v1/messages") else _REFUSAL
    head_text = _HEAD.format(status=status, kind=kind, length=len(body.encode()))
    return f"{head_text}{extra}connection: close\r\n\r\n{body}".encode()


def _headers(fields: bytes) -> dict[str, str]:
    """Return the readable headers, with lower-case names."""
    pairs = (line.partition(":") for line in fields.decode("latin-1").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
