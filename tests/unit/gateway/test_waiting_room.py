"""While a gateway prepares: it says that it lives and that it is not ready, to whoever asks and however."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import httpx
import pytest

from gateway.server import bind
from gateway.waiting_room import waiting_room


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with bind("127.0.0.1", 0) as server:
        yield server


def get(listener: socket.socket, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{listener.getsockname()[1]}{path}", trust_env=False, timeout=5)


def test_it_lives_and_is_not_ready(listener: socket.socket) -> None:
    with waiting_room(listener):
        alive, ready, call = (get(listener, path) for path in ("/healthz", "/readyz?x=1", "/v1/models"))

    assert (alive.status_code, ready.status_code, call.status_code) == (200, 503, 503)
    assert ready.json()["status"] == "starting"
    assert call.json()["error"]["code"] == "starting"
    assert call.headers["retry-after"] == "1"


def test_a_client_that_hangs_up_or_says_nonsense_disturbs_nobody(listener: socket.socket) -> None:
    with waiting_room(listener):
        for said in (b"", b"\x00\xff"):
            with socket.create_connection(listener.getsockname()) as client:
                client.sendall(said)
        alive = get(listener, "/healthz")

    assert alive.status_code == 200


def test_it_leaves_the_socket_as_it_was(listener: socket.socket) -> None:
    with waiting_room(listener):
        pass

    with socket.create_connection(listener.getsockname()):
        select.select([listener], [], [], 5)
        accepted, _ = listener.accept()
        accepted.close()
