"""A proxy that ends TLS and has another name, and pages of other origins: they work if they are configured, else a
page says what is missing.
"""

from __future__ import annotations

import pytest

from tenants.api_keys.unknown_key_limiter import MOST
from tests.support import sample
from tests.support.clients.admin_client import TOKEN, found_in
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

LOGIN = "/admin/ui/login/"
CHAT = "/v1/chat/completions"
EMAIL, PASSWORD = "root@example.com", "right-password-1"
APP = "https://app.example.com"
PUBLIC = "https://gw.example.com"
MODEL, UPSTREAM = "m13", "up-m13"
OF_PROXY = {
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "gw.example.com",
}


@pytest.fixture(scope="module")
def behind(upstream, closed_port, tmp_path_factory):
    """Yield a gateway that trusts this machine as a proxy, and pages of one origin."""
    people = {"bootstrap": {"admin_users": [{"email": EMAIL, "password": PASSWORD}]}}
    server = {"server": {"trusted_proxies": ["127.0.0.1"], "cors": {"origins": [APP + "/"]}}}
    heartbeat = {"streams": {"heartbeat": "50ms"}}
    config = merged(sample.config(upstream.base_url, closed_port), people, server, heartbeat)
    with Gateway(config, tmp_path_factory.mktemp("behind") / "data") as gateway:
        yield gateway


async def signed_in(gateway, headers, origin, **more):
    """Sign in as a browser at `origin` does; return the answer to the form."""
    async with gateway.client() as client:
        page = await client.get(LOGIN, headers=headers)
        assert page.status_code == 200, page.text
        form = {"username": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": found_in(page, TOKEN)}
        cookies = "; ".join(
            f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar
        )  # Secure ones too
        given = {**headers, "origin": origin, "referer": f"{origin}{LOGIN}", "cookie": cookies, **more}
        return await client.post(LOGIN, data=form, headers=given)


@pytest.mark.parametrize(
    ("proto", "host"),
    [
        ("https", "gw.example.com"),
        ("HTTPS", "gw.example.com, llm_gateway:8080"),
        ("https, http", "GW.example.com"),
        ("Https,http", "gw.example.com,gw.example.com"),
    ],
)
async def test_people_sign_in_through_a_proxy_that_ends_tls(behind, proto, host):
    """C31."""
    headers = {**OF_PROXY, "x-forwarded-proto": proto, "x-forwarded-host": host}
    answer = await signed_in(behind, headers, PUBLIC)
    assert answer.status_code == 302, answer.text
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    "change",
    [
        {"x-forwarded-proto": "http"},
        {"x-forwarded-proto": "httpss"},
        {"x-forwarded-proto": ""},
        {"x-forwarded-host": "evil.example/x"},
        {"x-forwarded-host": "other.example.com"},
    ],
)
async def test_the_page_of_a_refused_form_names_the_settings(behind, change):
    answer = await signed_in(behind, {**OF_PROXY, **change}, PUBLIC)
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    for words in (
        "server.public_url",
        "server.trusted_proxies",
        f"<code>{PUBLIC}</code>",
        "X-Forwarded-Proto",
    ):
        assert words in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not [line for line in behind.logs() if "Traceback" in line]


@pytest.mark.parametrize(
    "headers", [{}, {"x-forwarded-proto": "https"}, {"x-forwarded-host": "gw.example.com"}]
)
async def test_without_settings_the_refusal_names_the_origin_and_the_address_seen(shared_gateway, headers):
    async with shared_gateway.client() as client:
        answer = await client.post(LOGIN, headers={**headers, "origin": PUBLIC, "host": "llm_gateway:8080"})
    assert answer.status_code == 403
    assert f"<code>{PUBLIC}</code>" in answer.text
    assert "<code>http://llm_gateway:8080</code>" in answer.text
    assert "server.public_url" in answer.text


@pytest.mark.parametrize(
    "origin", ["https://a<b>", '"><script>alert(1)</script>', "null", "https://" + "x" * 5000]
)
async def test_untrusted_input_is_no_part_of_the_page(shared_gateway, origin):
    async with shared_gateway.client() as client:
        answer = await client.post(LOGIN, headers={"origin": origin})
    assert answer.status_code == 403
    assert "<script>alert" not in answer.text
    assert "<b>" not in answer.text
    assert len(answer.text) < 4000


async def test_other_reasons_are_distinguished(behind, gateway_factory):
    async with behind.client() as client:
        no_cookie = await client.post(
            LOGIN, headers={**OF_PROXY, "origin": PUBLIC, "referer": f"{PUBLIC}{LOGIN}"}
        )
        page = await client.get(LOGIN)
        too_old = await client.post(LOGIN, data={"csrfmiddlewaretoken": "x" * 64}, headers={"referer": LOGIN})
    assert (no_cookie.status_code, page.status_code, too_old.status_code) == (403, 200, 403)
    assert "sent no cookie" in no_cookie.text
    assert "too old" in too_old.text
    only_tls = gateway_factory({"server": {"public_url": PUBLIC}})
    async with only_tls.client() as client:
        answer = await client.post(LOGIN)
    assert answer.status_code == 403
    assert "over <code>https</code> only" in answer.text
    assert "server.trusted_proxies" in answer.text


async def test_client_address_behind_proxies_is_counted(behind):
    """As it was: what a client writes into the list before its proxy does is ignored."""
    async with behind.client() as client:
        for number in range(MOST + 1):
            lists = {
                "x-forwarded-for": f"198.51.100.{number}, 203.0.113.77:4711",
                "x-api-key": f"sk-a{number}.b",
            }
            answer = await client.get("/v1/models", headers=lists)
        assert answer.status_code == 429
        answer = await client.get("/v1/models", headers={**lists, "x-forwarded-for": "203.0.113.78"})
        assert answer.status_code == 401


PREFLIGHT = {
    "origin": APP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
}


@pytest.mark.parametrize(
    "path", [CHAT, "/v1/models", "/v1/nothing", "//v1/chat/completions/", "/chat/completions"]
)
async def test_preflight_needs_no_key(behind, path):
    async with behind.client() as client:
        answer = await client.options(path, headers=PREFLIGHT)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-headers"] == PREFLIGHT["access-control-request-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        (sample.ALICE, question(MODEL), 200),
        (sample.ALICE, question(MODEL, stream=True), 200),
        (sample.ALICE, question("nowhere"), 404),
        ("sk-alice.wrong", question(MODEL), 401),
    ],
)
async def test_allowed_origin_may_read_answers_and_refusals(behind, upstream, key, body, status):
    upstream.script(UPSTREAM, {})
    async with behind.client(key) as client:
        answer = await client.post(
            CHAT, json=body, headers={"origin": APP, "x-forwarded-for": "203.0.113.55"}
        )
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-expose-headers"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_allowed_origin_may_read_a_stream_with_heartbeats(behind, upstream):
    upstream.script(UPSTREAM, {"hold_before_head": True})
    async with behind.client(sample.ALICE) as client:
        body = question(MODEL, stream=True)
        async with client.stream("POST", CHAT, json=body, headers={"origin": APP}) as answer:
            assert answer.headers["access-control-allow-origin"] == APP
            upstream.release(model=UPSTREAM)
            assert (await answer.aread()).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{APP}.evil.example", "http://app.example.com"]
)
async def test_other_origins_may_not_read_answers(behind, shared_gateway, upstream, origin):
    upstream.script(UPSTREAM, {})
    for server in (behind, shared_gateway):
        async with server.client(sample.ALICE) as client:
            asked = await client.options(CHAT, headers={**PREFLIGHT, "origin": origin})
            called = await client.post(CHAT, json=question(MODEL), headers={"origin": origin})
        assert (asked.status_code, asked.json()["error"]["code"]) == (400, "origin_not_allowed")
        assert "server.cors.origins" in asked.json()["error"]["message"]
        assert called.status_code == 200  # a program may say what it likes
        for answer in (asked, called):
            assert not [name for name in answer.headers if name.startswith("access-control-allow")]


async def test_pages_of_the_gateway_itself_are_for_no_other_origin(behind):
    async with behind.client() as client:
        for path in ("/", LOGIN, "/metrics", "/readyz", "/v1/docs"):
            answer = await client.get(path, headers={"origin": APP})
            assert "access-control-allow-origin" not in answer.headers, path


async def test_no_header_of_a_page_shows_internal_pages_under_a_foreign_host(gateway_factory):
    """A page whose name was made to lead here may write any header: only the Host is its browser's word."""
    inside = {"metrics_allow": ["192.0.2.0/24", "127.0.0.1"]}
    gateway = gateway_factory({"server": {"trusted_proxies": ["127.0.0.1"]}, "observability": inside})
    of_page = {"x-forwarded-for": "192.0.2.5", "x-forwarded-host": "gateway"}
    async with gateway.client() as client:
        for headers, status in (
            ({**of_page, "host": "evil.example"}, 403),
            ({**of_page, "host": "llm_gateway:8080"}, 200),
            ({**of_page, "x-forwarded-host": "evil.example", "host": "llm_gateway:8080"}, 200),
        ):
            assert (await client.get("/metrics", headers=headers)).status_code == status
