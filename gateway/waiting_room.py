"""Answers on the listening socket while the process prepares: it lives, and it is not ready. One thread, no Django.

Without it a load balancer's probe would hang in the backlog for as long as the database is away.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT_S = 1.0  # a client that sends nothing must not keep the others waiting
_HEAD_BYTES = 4096
_HEAD = "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\ncache-control: no-store\r\n"
_ALIVE = '{"status":"ok"}'
_STARTING = (
    '{"status":"starting","reasons":["the gateway is starting: it prepares, or waits for, its stores"]}'
)
_REFUSAL = (
    '{"error":{"message":"The gateway is starting.","type":"api_error",'  # as gateway/errors.py has it
    '"param":null,"code":"starting"}}'
)


@contextmanager
def waiting_room(listener: socket.socket) -> Iterator[None]:
    """Answer until the block ends; connections that come after it are the server's. The listener must not block."""
    done, stop = socket.socketpair()
    thread = threading.Thread(target=_answer_all, args=(listener, done), name="waiting-room")
    thread.start()
    try:
        yield
    finally:
        stop.close()
        thread.join()
        done.close()


def _answer_all(listener: socket.socket, done: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([listener, done], [], [])
        if done in ready:
            return
        with suppress(OSError):  # the client went away
            client, _ = listener.accept()
            with client:
                client.settimeout(CLIENT_S)
                client.sendall(_answer(client.recv(_HEAD_BYTES)))
                client.shutdown(socket.SHUT_WR)


def _answer(head: bytes) -> bytes:
    path = head.partition(b" ")[2].partition(b" ")[0].partition(b"?")[0]
    if path == b"/healthz":
        status, body, extra = "200 OK", _ALIVE, ""
    else:
        status, extra = "503 Service Unavailable", "retry-after: 1\r\n"
        body = _STARTING if path == b"/readyz" else _REFUSAL
    return f"{_HEAD.format(status=status, length=len(body))}{extra}connection: close\r\n\r\n{body}".encode()
