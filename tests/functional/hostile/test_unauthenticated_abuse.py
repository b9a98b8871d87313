"""Unauthenticated clients guess keys and passwords, or write into data that others read."""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
LOGIN = "/admin/ui/login/"
ROOT, OTHER, PASSWORD = "root@example.com", "other@example.com", "right-password-1"
PEOPLE = {"admin_users": [{"email": email, "password": PASSWORD} for email in (ROOT, OTHER)]}


@pytest.fixture(scope="module")
def office(upstream, closed_port, tmp_path_factory):
    """Yield a gateway behind a proxy where people sign in; no other test signs in with its users."""
    more = {"bootstrap": PEOPLE, "server": {"trusted_proxies": ["127.0.0.1"]}}
    config = merged(sample.config(upstream.base_url, closed_port), more)
    with Gateway(config, tmp_path_factory.mktemp("office") / "data") as server:
        yield server


async def sign_in(client, email, password):
    page = await client.get(LOGIN)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    form = {"username": email, "password": password, "csrfmiddlewaretoken": token[1]}
    # Where a proxy ends TLS in front, the cookies are for https only, and the browser sends them.
    cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    headers = {"referer": f"{client.base_url}{LOGIN}", "cookie": cookies}
    return await client.post(LOGIN, data=form, headers=headers)


@pytest.mark.both_modes
async def test_guessing_keys_ends_while_known_keys_go_on(office):
    async with office.client(sample.ALICE) as client:
        assert (await client.post(CHAT, json=question("chat"))).status_code == 200
        numbers = itertools.count()

        async def guess():
            key = {"authorization": f"Bearer sk-guess{next(numbers)}.wrong"}
            return await client.get("/v1/models", headers=key)

        async def guesses():
            return await asyncio.gather(*(guess() for _ in range(20)))

        first = await guesses()
        assert {answer.status_code for answer in first} == {401}
        # A hundred within ten seconds; by a clock of its own: tests/unit/tenants/api_keys/test_unknown_key_limiter.py.
        told = await eventually(guesses, lambda answers: answers[-1].status_code == 429)
        assert {answer.status_code for answer in told} <= {401, 429}
        refused = told[-1]
        assert refused.json()["error"]["code"] == "too_many_unknown_keys"
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert (await client.post(CHAT, json=question("chat"))).status_code == 200


@pytest.mark.both_modes
async def test_password_guessing_is_stopped_even_with_the_right_password(office):
    async with office.client() as client:
        codes = [(await sign_in(client, ROOT, "wrong")).status_code for _ in range(11)]
        assert codes == [200] * 10 + [429]
        refused = await sign_in(client, "Root@example.com", PASSWORD)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 900
        assert (await sign_in(client, "someone@example.com", "wrong")).status_code == 200


@pytest.mark.both_modes
async def test_repeated_successful_sign_ins_are_not_throttled(office):
    for _ in range(11):
        async with office.client() as client:
            answer = await sign_in(client, OTHER, PASSWORD)
            assert answer.status_code == 302, answer.text


async def test_cookies_are_secure_where_a_trusted_proxy_ended_tls(office, shared_gateway):
    for server, is_secure in ((office, True), (shared_gateway, False)):
        async with server.client() as client:
            page = await client.get(LOGIN, headers={"x-forwarded-proto": "https"})
        cookies = page.headers.get_list("set-cookie")
        assert cookies
        assert all(("Secure" in cookie) is is_secure for cookie in cookies)


async def test_pages_say_where_they_may_load_from(shared_gateway):
    async with shared_gateway.client() as client:
        for path in ("/", LOGIN, "/v1/docs"):
            page = await client.get(path)
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"], path
            assert page.headers["x-frame-options"] == "DENY"
            assert page.headers["x-content-type-options"] == "nosniff"


async def test_metrics_request_through_a_proxy_is_not_local(shared_gateway):
    async with shared_gateway.client() as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})).status_code == 403


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"x-real-ip": "203.0.113.9"}])
async def test_readiness_details_are_hidden_from_external_clients(shared_gateway, headers):
    async with shared_gateway.client() as client:
        whole, told = await client.get("/readyz"), await client.get("/readyz", headers=headers)
        metrics = await client.get("/metrics", headers=headers)
    assert {"checks", "problems"} <= whole.json().keys()
    assert told.json() == {"status": "ready", "reasons": []}
    assert (told.status_code, metrics.status_code) == (200, 403)
    assert "observability.metrics_allow" in metrics.text


async def test_forms_are_taken_from_the_public_address_only_and_a_quiet_gateway_writes_only_what_is_bad(
    gateway_factory,
):
    server = {"public_url": "https://ai.example.com", "trusted_proxies": []}
    quiet = {"log_level": "error"}
    gateway = gateway_factory({"server": server, "bootstrap": PEOPLE, "observability": quiet})
    for origin, status in (("https://ai.example.com", 302), ("https://evil.example.com", 403)):
        async with gateway.client() as client:
            assert "https://ai.example.com/v1/chat" in (await client.get("/")).text
            client.headers["origin"] = origin
            assert (await sign_in(client, ROOT, PASSWORD)).status_code == status
    gateway.stop()
    assert not [line for line in gateway.records() if line.get("level") in {"info", "warning"}]
