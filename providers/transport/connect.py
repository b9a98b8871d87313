"""Opens a connection within its timeout, and classifies a failure: refused, DNS, TLS, and so on."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING, Final

from providers.errors.exceptions import ConnectFailed, UpstreamTimeout, named

if TYPE_CHECKING:
    from providers.target import Timeouts
    from providers.transport.connection import Connection
    from providers.transport.pool import Pool
    from providers.transport.request_head import Origin

_OF_ERRNO: Final = {
    errno.ECONNREFUSED: "connect_refused",
    errno.ECONNRESET: "connect_reset",
    errno.ETIMEDOUT: "timeout_connect",
    errno.ENETUNREACH: "connect_unreachable",
    errno.EHOSTUNREACH: "connect_unreachable",
}


async def connected(pool: Pool, origin: Origin, timeouts: Timeouts, started: float) -> Connection:
    """Return a new connection: the slot, DNS, TCP and TLS share one timeout."""
    until = started + min(timeouts.connect, timeouts.total)
    timer = asyncio.timeout_at(until)
    try:
        async with timer:
            return await pool.connect(origin)
    except TimeoutError as error:
        if not timer.expired():
            raise ConnectFailed(named(error), "timeout_connect") from error  # the kernel's own timeout
        if timeouts.total <= timeouts.connect:
            raise UpstreamTimeout("total", timeouts.total, reached=False) from error
        raise UpstreamTimeout("connect", timeouts.connect) from error
    except (OSError, ValueError, RuntimeError) as error:  # ssl.SSLError is an OSError
        raise ConnectFailed(named(error)[:500], _kind_of(error)) from error


def _kind_of(error: BaseException) -> str:
    """Return the class of a connection failure."""
    if isinstance(error, socket.gaierror | UnicodeError):  # an invalid name is a UnicodeError
        return "dns"
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "connect_refused"
    if isinstance(error, ConnectionResetError):
        return "connect_reset"
    return _OF_ERRNO.get(getattr(error, "errno", None) or 0, "connect_failed")
