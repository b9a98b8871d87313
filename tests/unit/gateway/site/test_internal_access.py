"""Details of the gateway go to this machine, to named networks and to holders of the token; an address is no proof."""

from __future__ import annotations

import orjson
import pytest

from gateway.config import Config
from gateway.site import health
from gateway.site.internal_access import may_see

TOKEN = "metrics-token-0123456789"
LOCAL = {"host": "127.0.0.1:8080"}


def config(**server: object) -> Config:
    observability = {"metrics_token": TOKEN, "metrics_allow": ["10.1.0.0/16"]}
    return Config.model_validate({"server": server, "observability": observability})


def production(**observability: object) -> Config:
    return Config().model_copy(
        update={
            "server": Config().server.model_copy(update={"production": True}),
            "observability": config().observability.model_copy(update=observability),
        }
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "gateway:8080", "llm_gateway:8080"]
)
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"])
def test_this_machine_and_named_networks_see_details(host: str, address: str) -> None:
    assert may_see(config(), address, {"host": host})


@pytest.mark.parametrize("address", ["203.0.113.9", "10.2.0.1", "fd00::1", "", "unix"])
def test_others_do_not_see_them_without_the_token(address: str) -> None:
    assert not may_see(config(), address, LOCAL)
    assert not may_see(config(), address, LOCAL | {"authorization": "Bearer wrong"})
    assert not may_see(Config(), address, LOCAL | {"authorization": "Bearer "})
    assert may_see(config(), address, {"host": "evil.example", "authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "a.localhost.example"]
)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3"])
def test_a_foreign_host_name_does_not_show_internal_pages(host: str, address: str) -> None:
    assert not may_see(config(), address, {"host": host})


def test_the_public_name_is_one_of_ours() -> None:
    ours = config(public_url="https://ai.example.com")

    assert may_see(ours, "127.0.0.1", {"host": "ai.example.com"})
    assert not may_see(ours, "127.0.0.1", {"host": "other.example.com"})


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-proto"])
def test_request_through_a_local_proxy_is_not_local(header: str) -> None:
    assert not may_see(config(), "127.0.0.1", LOCAL | {header: "x"})


def test_local_requests_are_not_trusted_in_production_or_with_configured_proxies() -> None:
    assert not may_see(config(trusted_proxies=["127.0.0.1/32"]), "127.0.0.1", LOCAL)
    assert not may_see(production(), "127.0.0.1", LOCAL)
    assert may_see(production(metrics_allow=("127.0.0.0/8",)), "127.0.0.1", LOCAL)


@pytest.mark.parametrize(
    ("client", "headers", "names"),
    [
        (("127.0.0.1", 1), LOCAL, {"status", "reasons"}),
        (("203.0.113.9", 1), LOCAL, {"status", "reasons"}),
        (None, LOCAL, {"status", "reasons"}),
    ],
)
async def test_readyz_says_in_general_what_is_wrong(
    client: object, headers: dict[str, str], names: set[str]
) -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await health.answer({"path": "/readyz", "method": "GET", "client": client, "headers": raw}, send)  # type: ignore[arg-type]

    body = orjson.loads(sent[1]["body"])  # type: ignore[arg-type]
    assert set(body) == names
