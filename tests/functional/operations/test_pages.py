"""The pages beside the API: front page, probes, metrics, API documents; and what needs a sign-in."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from urllib.parse import urlsplit

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question

pytestmark = pytest.mark.both_modes

NAMES = (
    "gateway_requests_total",
    "gateway_request_duration_seconds",
    "gateway_overhead_seconds",
    "gateway_time_to_first_token_seconds",
    "gateway_tokens_total",
    "gateway_cost_usd_total",
    "gateway_refusals_total",
    "gateway_upstream_attempts_total",
    "gateway_deployment_state",
    "gateway_inflight_requests",
    "gateway_journal_unshipped_records",
    "gateway_journal_oldest_unshipped_seconds",
    "gateway_budget_overshoot_usd_total",
)


async def get(gateway, path, **arguments):
    async with gateway.client(**arguments) as client:
        return await client.get(path)


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
async def test_probes_answer_without_a_key(shared_gateway, path, status):
    answer = await get(shared_gateway, path)
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_front_page_shows_ready_and_its_links_work(shared_gateway):
    answer = await get(shared_gateway, "/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "Ready" in answer.text
    assert "sk-" not in answer.text
    links = [link for link in re.findall(r'(?:href|src)="(/[^"]*)"', answer.text) if link != "/"]
    assert {"/v1/docs", "/readyz"} <= set(links)
    for link in links:
        followed = await get(shared_gateway, link, follow_redirects=True)
        assert followed.status_code == 200, link


async def test_the_api_page_needs_no_foreign_host(shared_gateway):
    page = await get(shared_gateway, "/v1/docs")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert [source for source in sources if source.startswith(("http:", "https:", "//"))] == []
    for source in sources:
        if source.startswith("/static/"):
            assert (await get(shared_gateway, source)).status_code == 200, source


async def test_the_api_document_describes_the_endpoints(shared_gateway):
    document = (await get(shared_gateway, "/v1/openapi.json")).json()
    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}"} <= set(
        document["paths"]
    )
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert {"200", "400", "401", "429", "502"} <= {str(status) for status in chat["responses"]}
    assert chat["security"]


async def test_metrics_have_the_promised_names_and_no_tenant_names(shared_gateway, upstream):
    upstream.script("up-m9", {})
    async with shared_gateway.client(sample.ALICE) as client:
        for stream in (False, True):
            await client.post("/v1/chat/completions", json=question("m9", stream=stream))
        await client.post("/v1/chat/completions", json=question("nowhere"))
    text = (await get(shared_gateway, "/metrics")).text
    missing = [
        name
        for name in NAMES
        if f"# HELP {name} " not in text and f"# HELP {name.removesuffix('_total')} " not in text
    ]
    assert missing == []
    assert 'gateway_refusals_total{reason="model_not_found"}' in text
    assert re.search(
        r'gateway_tokens_total\{kind="output",model="m9",provider="openai-compatible"\} 10\.0', text
    )
    assert not [line for line in text.splitlines() if "alice" in line or "bob-co" in line]


async def test_live_status_needs_permission(shared_gateway):
    address = urlsplit(shared_gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws/status HTTP/1.1\r\nhost: {address.netloc}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\norigin: {shared_gateway.url}\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    assert head.split(b" ")[1] == b"403"


async def test_the_back_office_redirects_signed_out_users_to_login(shared_gateway):
    for path in ("/admin/", "/admin/ui/", "/admin/ui/tenants/apikey/"):
        answer = await get(shared_gateway, path, follow_redirects=True)
        assert "/admin/ui/login/" in str(answer.url), path


async def test_an_unknown_page_is_a_404_without_details(shared_gateway):
    answer = await get(shared_gateway, "/no/such/page")
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert "urlconf" not in answer.text.lower()
