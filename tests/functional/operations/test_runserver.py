"""`manage.py runserver`, which is daphne in development, serves /v1 like the real server."""

from __future__ import annotations

import signal

import httpx

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.ports import free_port
from tests.support.servers.processes import START_S, ServerProcess
from tests.support.servers.upstream import CALL_S
from tests.support.sources import MANAGE


async def test_runserver_serves_calls_on_daphne(gateway_factory):
    gateway = gateway_factory()
    gateway.stop()  # it has made the tables
    address = f"127.0.0.1:{free_port()}"
    server = ServerProcess(
        MANAGE, "runserver", "--noreload", address, env=gateway.environment, cwd=gateway.data_dir.parent
    )
    try:
        server.stdout.first(lambda line: line if address in line else None, START_S)  # it listens soon after
        headers = {"authorization": f"Bearer {sample.ALICE}"}
        transport = httpx.AsyncHTTPTransport(retries=5)
        async with httpx.AsyncClient(
            base_url=f"http://{address}", headers=headers, timeout=CALL_S, transport=transport
        ) as client:
            whole = await client.post("/v1/chat/completions", json=question("chat"))
            stream = await client.post("/v1/chat/completions", json=question("chat", stream=True))
            page = await client.get("/v1/docs")
    finally:
        server.end(signal.SIGTERM)  # SIGINT is ignored where the tests run in the background
    assert whole.json()["model"] == "chat"
    assert stream.text.endswith("data: [DONE]\n\n")
    assert page.status_code == 200
