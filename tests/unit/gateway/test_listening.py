"""For an address that cannot be listened on, the message has the remedy."""

from __future__ import annotations

import socket

import pytest

from gateway.server.uvicorn_server import CannotListen, bind


def test_a_port_that_is_taken_names_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*--port"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "said"),
    [("192.0.2.1", "does not have that address"), ("no-such-host.invalid", "--bind HOST:PORT")],
)
def test_an_address_that_is_not_here_says_so(host: str, said: str) -> None:
    with pytest.raises(CannotListen, match=f"{host}:0: .*{said}"):
        bind(host, 0)
