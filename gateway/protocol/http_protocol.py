"""Limits of a connection before its request is complete, or while its client does not read the response: time for the
head, the body and the response, bytes of the head.

Uvicorn bounds none of these. A request that arrives in one piece, as nearly all do, costs no timer. Requests are
notified here, without a task of their own, that their client has disconnected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.http.client_connection import KNOWN, WHOLE
from gateway.protocol.client_disconnect import DISCONNECTED, RESET, ClientDisconnectWatch, unread_bytes
from gateway.protocol.connection_limits import ConnectionLimits
from gateway.protocol.lean_cycle import make_lean
from gateway.protocol.request_heads import MAX_HEAD, RequestHeads
from gateway.protocol.stalled_client import StalledClientGuard
from gateway.protocol.websocket_protocol import WebSocket

SOCKET_LINE, SOCKET_HEADERS = 8000, 120  # of a handshake; what websockets reads is a little more
LAST = b"content-length: 0\r\nconnection: close\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # RFC 9110, 15.2: every client skips it; a closed one resets
HEADERS = {503: b"retry-after: 1\r\n"}
LINGER_S = 30.0  # for an unwanted body, so that the client can read its response


class HttpProtocol(RequestHeads):
    """One connection. `head_timeout_s` is for the head of a request, from its first to its last byte;
    `unread_timeout_s` is how long a response may wait for a client that reads none of it.
    """

    head_timeout_s = 5.0
    unread_timeout_s = 120.0
    stranger_s = 5.0  # keep-alive of a connection before a key was accepted on it
    limits: ConnectionLimits | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unparsed_bytes = 0
        self._is_head, self._is_body, self._has_begun = True, False, False
        self._head_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._served: RequestResponseCycle | None = None  # `cycle` is the most recent request
        self._on_disconnect: Callable[[], None] | None = None
        self._is_lost = self._is_known = self._is_half_closed = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._stalled_guard = StalledClientGuard(transport, self.loop, self.unread_timeout_s)
        self._disconnect_watch = ClientDisconnectWatch(transport, self.loop, self._disconnect_events)
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_is_late)
        if self.limits is not None:
            self._long_keep_alive: float = self.timeout_keep_alive
            self.timeout_keep_alive = self.stranger_s  # type: ignore[assignment]  # any number works
            if not self.limits.admit(self, self.client[0] if self.client else ""):
                self._refuse(503)
            elif not self.limits.is_stranger(self):
                self._set_known()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._cancel_timers()
        if self.limits is not None:
            self.limits.remove(self)
        if self._on_disconnect is not None:
            self._on_disconnect()
        if self._served is not None and self._served is not self.cycle:
            self._served.disconnected = True  # uvicorn notifies only the last of several pipelined requests
            self._served.message_event.set()
        super().connection_lost(exc)

    @override
    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's; uvicorn always closes
        """Stay open for a client that has closed its sending side and waits for the response to its only request.

        A client that has closed both sides looks the same until something is written to it, so that is done at once.
        """
        cycle, is_between = self.cycle, not (self._is_head or self._is_body)
        if cycle is None or cycle is not self._served or not is_between or cycle.response_started:
            return None
        if self.scheme == "https" or cycle.scope["http_version"] == "1.0":  # no half-close, or no 1xx
            return None
        cycle.keep_alive, self._is_half_closed = False, True
        self.transport.write(CONTINUE)
        self._disconnect_watch.watch()
        return True

    @override
    def data_received(self, data: bytes) -> None:
        self._has_begun = False
        super().data_received(data)
        self._watch_if_not_reading()
        if self._is_head and not self._has_begun:  # earlier bytes belong to another request
            self._unparsed_bytes += len(data)  # the parser reports nothing of an unfinished header
            if self._unparsed_bytes > MAX_HEAD:
                self._refuse(431)
        if self._awaits_head:
            if self._head_timer is None and not self.transport.is_closing():
                self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_is_late)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head = self._has_begun = True
        self._unparsed_bytes = 0
        # A graceful close waits for a client that may never read; a request can abort its connection at once.
        self.scope["state"]["abort"] = self.transport.abort
        self.scope["state"]["watch"] = self.watch

    @override
    def on_headers_complete(self) -> None:
        self._is_head, self._is_body = False, True
        self._unparsed_bytes = 0
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._is_body = False
        if self._is_offer:
            return  # the request itself is still to come
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None
        if not self._is_known and self.limits is not None:
            self.limits.set_working(self)
        super().on_message_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            self.scope["state"][WHOLE] = not self.cycle.more_body

    @override
    def on_response_complete(self) -> None:
        if not self._is_known and self.limits is not None:
            self._update_limits(self.limits)
        super().on_response_complete()
        is_unwanted = self._is_body and self.cycle.response_complete
        if is_unwanted and self._linger_timer is None and not self.transport.is_closing():
            self._linger_timer = self.loop.call_later(LINGER_S, self.transport.abort)
        if self.transport.is_closing():
            self._stalled_guard.watch()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_guard.watch()

    @override
    def resume_writing(self) -> None:
        self._stalled_guard.on_progress()
        super().resume_writing()

    @override
    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._stalled_guard.watch()

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = cycle
        make_lean(cycle, self.loop)
        super()._start_asgi_task(cycle, app)

    @override
    def handle_websocket_upgrade(self) -> None:
        self._cancel_timers()
        longest = max(len(self.url), *(len(name) + len(value) for name, value in self.headers))
        # Beyond these bounds the library would fail with a traceback.
        if longest > SOCKET_LINE or len(self.headers) > SOCKET_HEADERS:
            self._refuse(431)
            return
        super().handle_websocket_upgrade()
        if self.limits is not None:
            self.limits.set_working(self)
            websocket = self.transport.get_protocol()
            if isinstance(websocket, WebSocket):
                websocket.on_lost = partial(self.limits.remove, self)

    @override
    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > MAX_HEAD:
            self._refuse(431)
        elif not self._is_idle and self.cycle.response_started:
            self.transport.close()  # another response is being sent: a second one would be taken for its end
        elif not self.transport.is_closing():
            super().send_400_response(msg)

    def watch(self, on_disconnect: Callable[[], None] | None) -> None:
        """Call `on_disconnect` when the client disconnects; None: stop watching.

        Only a reader notices the end of a connection. Uvicorn stops reading when a body comes faster than it is taken,
        and nothing reads after the body's end. So reading goes on from here; data that a client sends ahead stops it
        again, and then the kernel is polled (gateway/protocol/client_disconnect.py).
        """
        self._on_disconnect = on_disconnect
        if on_disconnect is None:
            self._disconnect_watch.stop()
        elif self._is_lost:
            self.loop.call_soon(on_disconnect)
        else:
            if not self.pipeline:
                self.flow.resume_reading()
            self._watch_if_not_reading()

    def _disconnect_events(self) -> int:
        if self._is_half_closed:
            return RESET
        return DISCONNECTED if self.flow.read_paused else 0

    def _watch_if_not_reading(self) -> None:
        if self._on_disconnect is not None and self._disconnect_events():
            self._disconnect_watch.watch()

    @property
    def is_known(self) -> bool:
        """Whether a key was accepted on it; the request being served counts."""
        return self._is_known or (self._served is not None and KNOWN in self._served.scope["state"])

    @property
    def idle_until(self) -> float | None:
        """When its keep-alive ends; None while it is busy."""
        timer = self.timeout_keep_alive_task
        return timer.when() if timer is not None else None

    @property
    def has_unread(self) -> bool:
        return unread_bytes(self.transport) > 0

    def end(self) -> None:
        """Close it now, whether or not its client reads."""
        self.transport.abort()

    def _update_limits(self, limits: ConnectionLimits) -> None:
        if self.is_known:
            limits.set_known(self)
            self._set_known()
        else:
            limits.set_waiting(self)

    def _set_known(self) -> None:
        self._is_known = True
        self.timeout_keep_alive = self._long_keep_alive  # type: ignore[assignment]

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _awaits_head(self) -> bool:
        """Also between requests: a client that sends only line ends is not idle, and uvicorn has stopped its timer."""
        return self._is_head or (self._is_idle and not self._is_body)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self._is_idle:
            return  # the start of a next request must not end the current response
        if self._unparsed_bytes:
            self._refuse(408)
        else:
            self.transport.close()  # it never sent a request

    @override
    def _refuse(self, status: int) -> None:
        """Close the connection, with a response unless one is being sent."""
        if self.transport.is_closing():
            return
        if self._is_idle:
            self.transport.write(STATUS_LINE[status] + HEADERS.get(status, b"") + LAST)
        self.transport.close()

    def _cancel_timers(self) -> None:
        self._stalled_guard.stop()
        self._disconnect_watch.stop()
        for timer in (self._head_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._linger_timer = None


def with_timeouts(
    head_s: float, stall_s: float, stranger_s: float = 5.0, connection_limits: ConnectionLimits | None = None
) -> type[HttpProtocol]:
    """Return the protocol with these timeouts. Streams end earlier by their own (gateway/http/sse_writer.py)."""

    class Patient(HttpProtocol):
        head_timeout_s = head_s
        unread_timeout_s = 2 * stall_s
        limits = connection_limits

    Patient.stranger_s = stranger_s
    return Patient
