"""Secrets that strangers guess, and a Redis that others reach, are refused in production and warned of elsewhere."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.config import ConfigError, load
from gateway.config.checks.weak_secrets import weak_key_secret, weak_password
from gateway.management.commands import serve
from tests.support.sources import ROOT

if TYPE_CHECKING:
    from pathlib import Path

STRONG = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PRODUCTION = {
    "ROUTER_DB_URL": "postgres://h/d",
    "ROUTER_REDIS_URL": "rediss://:pw@redis.example.com:6379/0",
    "ROUTER_ADMIN_SESSION_JWT_SECRET": STRONG,
    "ROUTER_SERVER_PRODUCTION": "true",
}


def problems(tmp_path: Path, keys: dict[str, Any], **environ: str) -> list[str]:
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys))
    try:
        load(PRODUCTION | environ, tmp_path)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def warnings(tmp_path: Path, keys: dict[str, Any], **environ: str) -> tuple[str, ...]:
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys))
    return load(environ, tmp_path).warnings


def key(secret: str) -> dict[str, Any]:
    return {"bootstrap": {"api_keys": [{"tenant": "t", "prefix": "p", "secret": secret}]}}


def person(password: str) -> dict[str, Any]:
    return {"bootstrap": {"admin_users": [{"email": "jane.doe@example.com", "password": password}]}}


WEAK_KEYS = [
    "x",
    "my-secret",
    "0123456789",
    "a" * 64,
    "abcabcabcabcabcabcabcabc",
    "my-secret-my-secret-my-secret",
]
WEAK_PASSWORDS = [
    "a",
    "admin-password",
    "Admin-Password-2026-x9",
    "correct-1",
    "Passw0rd2026!",
    "jane-1968-x-91",
    "aaaaaaaaaaaaaaaaaaaaaa",
    "abcdefabcdefabcdefabcdef",
    "qwertyuiop1234",
]


@pytest.mark.parametrize("secret", WEAK_KEYS)
def test_a_weak_key_is_refused_in_production_and_warned_of_elsewhere(tmp_path: Path, secret: str) -> None:
    [problem] = problems(tmp_path, key(secret))
    [warning] = warnings(tmp_path, key(secret))

    assert problem.startswith("bootstrap.api_keys[0].secret: is weak")
    assert "have them generated" in problem
    assert warning.startswith("bootstrap.api_keys[0].secret is weak")
    assert secret == "x" or secret not in problem + warning


@pytest.mark.parametrize("password", WEAK_PASSWORDS)
def test_a_weak_password_is_refused_in_production_and_warned_of_elsewhere(
    tmp_path: Path, password: str
) -> None:
    [problem] = problems(tmp_path, person(password))
    [warning] = warnings(tmp_path, person(password))

    assert problem.startswith("bootstrap.admin_users[0].password: is weak")
    assert "openssl rand" in problem
    assert warning.startswith("bootstrap.admin_users[0].password is weak")


@pytest.mark.parametrize("token", ["x", "metrics", "12345678901234567890" * 2])
def test_a_weak_token_of_metrics_is_refused_in_production(tmp_path: Path, token: str) -> None:
    [problem] = problems(tmp_path, {"observability": {"metrics_token": token}})

    assert problem.startswith("observability.metrics_token: is weak")


def test_strong_secrets_and_none_at_all_are_fine(tmp_path: Path) -> None:
    strong = {"tenant": "t", "prefix": "p", "secret": "Xk3v9Qw7Lr2Tz8Mn4Bp6Ys1D"}
    generated = {"tenant": "t", "name": "app"}
    people = [
        {"email": "a@example.com", "password": "tr0ub4dor&3x9Kq!7"},
        {"email": "b@example.com", "password": "correct horse battery staple"},
        {"email": "c@example.com"},
    ]
    keys = {"bootstrap": {"api_keys": [strong, generated], "admin_users": people}}

    assert problems(tmp_path, keys) == []
    assert warnings(tmp_path, keys) == ()
    assert not weak_key_secret("")
    assert not weak_password("")


def test_the_demo_is_refused_in_production_and_says_so_where_the_network_reaches_it(tmp_path: Path) -> None:
    keys = yaml.safe_load((ROOT / "deploy" / "demo.yaml").read_text())

    where = {problem.partition(":")[0] for problem in problems(tmp_path, keys)}

    assert {"bootstrap.api_keys[0].secret", "bootstrap.admin_users[0].password"} <= where
    assert "anyone" not in " ".join(warnings(tmp_path, keys))


EVERYWHERE = ["0.0.0.0:8080", ":8080", "[::]:8080", "192.168.1.7:8080", "127.0.0.1.example.com:80"]


@pytest.mark.parametrize("address", EVERYWHERE)
@pytest.mark.parametrize("name", ["LISTEN", "ADMIN"])
def test_the_published_demo_is_refused_where_the_network_reaches_it(
    tmp_path: Path, address: str, name: str
) -> None:
    demo = {"ROUTER_CONFIG_FILE": str(ROOT / "deploy" / "demo.yaml"), f"ROUTER_SERVER_{name}_ADDR": address}
    if name == "ADMIN":
        demo["ROUTER_SERVER_LISTEN_ADDR"] = "127.0.0.1:1"
    with pytest.raises(ConfigError) as refused:
        load(demo, tmp_path)
    where = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    assert where == ["bootstrap.api_keys[0].secret", "bootstrap.admin_users[0].password"]
    assert "is published with the demo" in str(refused.value)
    assert "my-secret" not in str(refused.value)


@pytest.mark.parametrize("address", EVERYWHERE)
def test_a_weak_unpublished_secret_causes_a_warning_there(tmp_path: Path, address: str) -> None:
    (told,) = warnings(tmp_path, key("x"), ROUTER_SERVER_LISTEN_ADDR=address)
    assert f"anyone who reaches {address} may try it" in told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://redis.example.com:6379", ["has no password", "is not encrypted"]),
        ("redis://:pw@redis.example.com:6379", ["is not encrypted"]),
        ("rediss://redis.example.com:6379", ["has no password"]),
        ("redis://10.0.0.7", ["has no password", "is not encrypted"]),
        ("redis://[fd00::7]:6379/1", ["has no password", "is not encrypted"]),
        ("redis://127.0.0.1.example.com", ["has no password", "is not encrypted"]),
        ("rediss://user@redis.example.com", ["has no password"]),
        ("rediss://:pw@redis.example.com/0?ssl_cert_reqs=none", ["trusts any certificate"]),
        ("rediss://:pw@redis.example.com/0", []),
        ("redis://127.0.0.1:6379", []),
        ("redis://[::1]:6379", []),
        ("redis://localhost:6379/2", []),
        ("unix:///run/redis.sock", []),
    ],
)
def test_a_redis_of_another_machine_needs_password_and_tls_in_production(
    tmp_path: Path, url: str, said: list[str]
) -> None:
    found = problems(tmp_path, {}, ROUTER_REDIS_URL=url)

    assert [line.split(": ", 1)[1].split(" (")[0] for line in found] == said
    assert problems(tmp_path, {"redis": {"allow_insecure": True}}, ROUTER_REDIS_URL=url) == []


@pytest.mark.parametrize(
    ("host", "is_open"),
    [("0.0.0.0", True), ("::", True), ("192.0.2.7", True), ("127.0.0.1", False), ("::1", False)],  # noqa: S104 - only said
)
def test_serve_refuses_the_demo_at_an_address_that_others_reach_and_nowhere_else(
    host: str,
    is_open: bool,  # noqa: FBT001 - of the table
) -> None:
    demo = load({"ROUTER_CONFIG_FILE": "deploy/demo.yaml"}, ROOT)
    with pytest.raises(ConfigError, match=f"other machines reach {host}") if is_open else nullcontext():
        serve._refuse_published(demo, host)  # noqa: SLF001 - a whole start for each host is too dear


@pytest.mark.parametrize(
    ("environment", "is_open"),
    [
        ({"ROUTER_SERVER_PUBLIC_URL": "https://gw.example.com"}, True),
        ({"ROUTER_SERVER_TRUSTED_PROXIES": "127.0.0.1/32"}, True),
        ({"ROUTER_SERVER_PUBLIC_URL": "http://localhost:8080"}, False),
        ({}, False),
    ],
)
def test_the_demo_is_refused_where_a_proxy_makes_loopback_reachable(
    environment: dict[str, str],
    is_open: bool,  # noqa: FBT001 - of the table
) -> None:
    config = {"ROUTER_CONFIG_FILE": "deploy/demo.yaml", **environment}
    with pytest.raises(ConfigError, match="other machines reach it") if is_open else nullcontext():
        load(config, ROOT)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104 - only said
def test_serve_warns_of_a_weak_secret_where_others_reach_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, host: str
) -> None:
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(key("x")))
    serve._warn_of_the_network(load({}, tmp_path), host)  # noqa: SLF001 - as above
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"WARNING: other machines reach {host} and")
