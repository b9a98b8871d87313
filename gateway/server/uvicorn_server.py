"""Runs the gateway on uvicorn: bind, open, serve, drain, close. Signals are handled here, because uvicorn waits for
open connections before anything can be recorded and then ends by the signal it caught.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from typing_extensions import override

from gateway import runtime
from gateway.config import Config
from gateway.http.forwarded import Forwarded, TrustedProxies
from gateway.http.request import Application
from gateway.protocol.connection_limits import MOST, ConnectionLimits
from gateway.protocol.http_protocol import with_timeouts
from gateway.protocol.websocket_protocol import WebSocket
from gateway.server.file_descriptors import left_for_clients, raise_limit
from gateway.server.lifespan import Lifespan
from gateway.server.listeners import ServedListener, restricted
from gateway.server.process_memory import quiet_collector, share_arenas, use_large_pages
from gateway.supervisor.shutdown import EXIT_S, KILL_S, THREADS_S, ShutdownSignal, end_within
from gateway.supervisor.supervisor_client import SupervisorClient
from gateway.values.tasks import spawn

logger = logging.getLogger(__name__)

BACKLOG = 2048
ACCEPTS_A_TURN = 16  # of all workers; of 1,000 streams in 2 s the slowest begins after 0.2 s instead of 0.6 s
LINGER_S = 1.0  # an idle connection of a worker may send data already in transit; then it is closed
KEEP_ALIVE_S = 75  # longer than load balancers' usual 60, so that they close idle connections first


_REMEDIES = {
    errno.EADDRINUSE: "another program listens there: stop it, or take another port: --port 8090, or "
    "make run ARGS='--port 8090'",
    errno.EACCES: "ports below 1024 are for root: take a higher one, such as --port 8080",
    errno.EADDRNOTAVAIL: "this machine does not have that address: 0.0.0.0 is all that it has",
}


class CannotListen(Exception):
    """The address cannot be bound; the text states which, why, and what to do."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        remedy = _REMEDIES.get(error.errno or 0, "state --bind HOST:PORT or server.listen_addr")
        super().__init__(f"cannot listen on {host}:{port}: {error.strerror}. Hint: {remedy}.")


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handling, and with a shutdown that loses no request."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    def stop_accepting(self) -> None:
        """Close the listener; each open connection may send one more request, whose response closes it."""
        for server in self.servers:
            server.close()
        close = (b"connection", b"close")
        self.config.encoded_headers.append(close)  # uvicorn rebuilds its default headers each second
        self.server_state.default_headers = [*self.server_state.default_headers, close]
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = False


Load = Callable[[], tuple[Application, Application]]  # the application, and the response to other websockets


class _Servers:
    """One per listener. They share the connection limits and the application."""

    def __init__(self, config: Config, served: Sequence[ServedListener], load: Load, workers: int) -> None:
        application, no_socket = load()
        limits = _limits(config)
        self._all = [
            _Uvicorn(_settings(config, restricted(each.serves, application, no_socket), limits))
            for each in served
        ]
        self._sockets = [
            listeners(each.listener, workers if each.serves != "back office" else 1) for each in served
        ]

    def serve(self) -> asyncio.Future[Any]:
        each = zip(self._all, self._sockets, strict=True)
        return asyncio.gather(*(server.serve(sockets=sockets) for server, sockets in each))

    @property
    def have_connections(self) -> bool:
        return any(server.server_state.connections for server in self._all)

    def stop_accepting(self) -> None:
        for server in self._all:
            server.stop_accepting()

    def end(self) -> None:
        for server in self._all:
            server.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket that never blocks. Raises CannotListen.

    All its copies, also those of other processes, are one file to the kernel: if one made it blocking, every worker
    would wait in accept(2) for a connection that another one took.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListen(host, port, error) from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def listeners(listener: socket.socket, workers: int) -> list[socket.socket]:
    """Return the listening socket many times over: uvloop accepts one connection per copy and turn of the loop.

    Each of many workers has fewer, so that the first to wake does not take all connections.
    """
    return [listener, *(listener.dup() for _ in range(ACCEPTS_A_TURN // workers - 1))]


def announce(served: Sequence[ServedListener], welcome: str) -> None:
    """Print on standard error where calls are served, and where the back office is if that is elsewhere."""
    address, *others = (_address_of(each.listener) for each in served)
    elsewhere = "".join(f"back office on {other}\n" for other in others)
    text = welcome.format(address=address, admin=others[0] if others else address)
    sys.stderr.write(f"listening on {address}\n{elsewhere}{text}")
    sys.stderr.flush()


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(
    config: Config,
    served: Sequence[ServedListener],
    load: Load,
    welcome: str = "",
    link: SupervisorClient | None = None,
    workers: int = 1,
) -> None:
    """Serve until SIGTERM or SIGINT, or until the supervisor ends; returns when everything is closed.

    `load` is called once everything is open; `workers` is how many processes share a listener for calls, this one
    included.
    """
    import uvloop  # noqa: PLC0415 - not on every platform, and only the server needs it

    share_arenas()
    try:
        uvloop.run(_serve(config, served, load, welcome, link, workers))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it has ended: one more Ctrl-C has no effect
        end_within(THREADS_S)


async def _serve(
    config: Config,
    served: Sequence[ServedListener],
    load: Load,
    welcome: str,
    link: SupervisorClient | None,
    workers: int,
) -> None:
    stop = ShutdownSignal(end_within)
    stop.install()
    if link is not None:
        stop.listen_for_retirement()
        await link.open(on_orphaned=stop.request, on_orphaned_in_thread=stop.limit_time)
    lifespan = Lifespan()
    await lifespan.open()
    runtime.current().supervisor = link
    stop.grace_s = config.server.prestop_delay + config.server.graceful_shutdown_delay  # before, no call runs
    if link is not None:
        link.on_worker_ended = lifespan.recover_ended_worker
    quiet_collector()
    if link is None:  # workers share their heap, and a replacement should not be late
        await asyncio.to_thread(use_large_pages)
    servers = _Servers(config, served, load, workers)
    serving = servers.serve()
    _report_ready(link, served, welcome)
    stopping = spawn(stop.requested.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    runtime.current().is_leaving = True
    await stop.wait(config.server.prestop_delay)
    servers.stop_accepting()
    if link is not None and servers.have_connections:
        await stop.wait(LINGER_S)
    await lifespan.drain(config.server.graceful_shutdown_delay, stop)
    end_within(EXIT_S + KILL_S)  # also for a worker that was only replaced
    servers.end()
    await _closed(serving)
    await lifespan.close()
    if link is not None:
        await link.aclose()
    logger.info("server.stopped")


async def _closed(serving: asyncio.Future[Any]) -> None:
    """Wait for the servers to end, 5 s at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await serving


def _report_ready(link: SupervisorClient | None, served: Sequence[ServedListener], welcome: str) -> None:
    if link is None:
        announce(served, welcome)
    else:
        link.report_ready()


def _limits(config: Config) -> ConnectionLimits:
    server, metrics = config.server, runtime.current().metrics
    most = left_for_clients(raise_limit(), server.reserved_descriptors, server.max_inflight)
    return ConnectionLimits(
        asyncio.get_running_loop().time,
        lambda why: metrics.connections_closed.add((why,)),
        max_connections=min(server.max_connections or MOST, most),
        per_address=server.max_connections_per_address,
        is_proxy=TrustedProxies(server.trusted_proxies).trusts,
    )


def _settings(config: Config, application: Any, limits: ConnectionLimits) -> uvicorn.Config:
    server = config.server
    return uvicorn.Config(
        Forwarded(application, server.trusted_proxies) if server.trusted_proxies else application,
        loop="none",
        http=with_timeouts(
            server.read_header_timeout,
            config.streams.client_stall,
            server.unauthenticated_keep_alive,
            limits,
        ),
        ws=WebSocket,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # gateway/http/forwarded.py supports more of them
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=64 * 1024,
        backlog=BACKLOG,
    )
