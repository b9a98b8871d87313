"""While a gateway starts, it answers every request as live and not ready."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import httpx
import pytest

from gateway.server.startup_responder import Waiting, startup_responder
from gateway.server.uvicorn_server import bind


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with bind("127.0.0.1", 0) as server:
        yield server


def get(listener: socket.socket, path: str, **headers: str) -> httpx.Response:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
    return httpx.get(url, headers=headers, trust_env=False, timeout=5)


def test_responder_is_live_and_not_ready(listener: socket.socket) -> None:
    with startup_responder(listener):
        alive, ready, call = (get(listener, path) for path in ("/healthz", "/readyz?x=1", "/v1/models"))

    assert (alive.status_code, ready.status_code, call.status_code) == (200, 503, 503)
    assert ready.json()["status"] == "starting"
    assert call.json()["error"]["code"] == "starting"
    assert call.headers["retry-after"] == "1"


def test_a_client_of_messages_gets_the_envelope_of_its_api(listener: socket.socket) -> None:
    with startup_responder(listener):
        answer = get(listener, "/v1/messages?beta=true")
    expected = {"type": "overloaded_error", "message": "The gateway is starting.", "code": "starting"}
    assert (answer.status_code, answer.json()) == (503, {"type": "error", "error": expected})


def test_responder_names_the_awaited_store_and_gives_insiders_the_reason(listener: socket.socket) -> None:
    seen = [True, False, True]
    waiting = Waiting(lambda _address, headers: "host" in headers and seen.pop(), ("pa55word-pa55",))
    waiting.reporter_for("Redis")("Connection refused by :pa55word-pa55@there")
    with startup_responder(listener, waiting):
        inside, outside = (get(listener, "/readyz").json()["reasons"][0] for _ in range(2))
        waiting.reporter_for("Redis")("")
        after = get(listener, "/readyz").json()["reasons"][0]

    assert "waits for Redis: Connection refused by" in inside
    assert "pa55" not in inside
    assert outside == "the gateway is starting: it waits for Redis"
    assert after == "the gateway is starting: it prepares its stores"


def test_a_head_that_came_in_part_is_no_insiders(listener: socket.socket) -> None:
    waiting = Waiting(lambda _address, _headers: True)
    waiting.reporter_for("Redis")("Connection refused")
    with startup_responder(listener, waiting), socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n")
        said = b"".join(iter(lambda: client.recv(4096), b""))

    assert b"waits for Redis" in said
    assert b"refused" not in said


def test_a_browser_gets_a_page_without_scripts(listener: socket.socket) -> None:
    waiting = Waiting()
    waiting.reporter_for("the database")("connection to 10.0.0.7 failed")
    with startup_responder(listener, waiting):
        pages = [get(listener, path, accept="text/html,*/*;q=0.8") for path in ("/", "/admin/ui/")]
        call = get(listener, "/v1/models", accept="text/html")

    for page in pages:
        assert (page.status_code, page.headers["retry-after"]) == (503, "1")
        assert page.headers["content-type"].startswith("text/html")
        assert "it waits for the database" in page.text
        assert "manage.py check" in page.text
        assert not any(each in page.text for each in ("<script", "src=", "href=", "10.0.0.7"))
    assert call.json()["error"]["code"] == "starting"


def test_a_client_that_disconnects_or_sends_nonsense_disturbs_no_other(listener: socket.socket) -> None:
    with startup_responder(listener):
        for said in (b"", b"\x00\xff"):
            with socket.create_connection(listener.getsockname()) as client:
                client.sendall(said)
        alive = get(listener, "/healthz")

    assert alive.status_code == 200


def test_responder_leaves_the_socket_as_it_was(listener: socket.socket) -> None:
    with startup_responder(listener):
        pass

    with socket.create_connection(listener.getsockname()):
        select.select([listener], [], [], 5)
        accepted, _ = listener.accept()
        accepted.close()
