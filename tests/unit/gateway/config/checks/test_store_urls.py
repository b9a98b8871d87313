"""An address of a store that two readers would parse differently is refused, and no part of it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import Config, ConfigError, load

if TYPE_CHECKING:
    from pathlib import Path

DATABASE, REDIS = "postgres://h/d", "redis://h"
CODES = "cannot be taken apart"


def loaded(tmp_path: Path, database: str, redis: str) -> Config:
    secret = "9f86d081884c7d659a2feaa0c55ad015"
    variables = {"ROUTER_DB_URL": database, "ROUTER_REDIS_URL": redis}
    return load({**variables, "ROUTER_ADMIN_SESSION_JWT_SECRET": secret}, tmp_path)


def refusal(tmp_path: Path, database: str, redis: str) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, database, redis)
    return str(refused.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgres://u:hush@hush@h/d", CODES),
        ("postgres://u:hush/hush@h/d", CODES),
        ("postgres://u:hush%hush@h/d", CODES),
        ("postgres://u:hush%zz@h/d", CODES),
        ("postgres://h/d?password=hush%2", CODES),
        ("POSTGRES://u:hush@h/d", "is not a PostgreSQL address"),
        ("postgres:/u:hush@h/d", "is not a PostgreSQL address"),
        ("jdbc:postgresql://u:hush@h/d", "is not a PostgreSQL address"),
        ("host=h password=hush", "is not a PostgreSQL address"),
        ("postgres://u:hush@h:port/d", "has a port that is no number"),
        ("postgres://u:hush@h:99999/d", "has a port that is no number"),
        ("postgres://u:hush@a:5432,b:x/d", "has a port that is no number"),
        ("postgres://u:hush@[fd00::1/d", "has a [ or ] that belongs to no IPv6 address"),
        ("postgres://u:hush@fd00::1/d", "has a host with several colons"),
    ],
)
def test_an_address_of_postgres_is_refused_in_words_that_show_nothing_of_it(
    tmp_path: Path, url: str, why: str
) -> None:
    said = refusal(tmp_path, url, REDIS)
    assert said.startswith(f"database.url (ROUTER_DB_URL): {why}")
    assert "hush" not in said


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://:hush@hush@h:6379/0", CODES),
        ("redis://:hush/hush@h:6379/0", CODES),
        ("redis://:hush#hush@h:6379/0", CODES),
        ("redis://:hush?hush@h:6379/0", CODES),
        ("redis://u:hush%zz@h", CODES),
        ("redis:h", "is not a Redis address"),
        ("Redis://:hush@h", "is not a Redis address"),
        ("http://:hush@h", "is not a Redis address"),
        ("redis://:hush@h:port/0", "has a port that is no number"),
        ("redis://:hush@h:0/0", "has a port that is no number"),
        ("redis://:hush@[::1/0", "has a [ or ] that belongs to no IPv6 address"),
        ("redis://:hush@h/abc", "names no database"),
        ("redis://:hush@h/-1", "names no database"),
        ("redis://:hush@h/0/1", "names no database"),
        ("redis://:hush@h/0?db=x", "has a db that is no number"),
        (
            "rediss://:hush@h/0?ssl_ca_cert=/ca.pem",
            "has an unknown parameter 'ssl_ca_cert' (did you mean \"ssl_ca_certs",
        ),
        ("unix:/run/redis.sock", "is not a Redis address"),
        ("unix://run/redis.sock", "names no socket"),
        ("unix://", "names no socket"),
    ],
)
def test_an_address_of_redis_is_refused_in_words_that_show_nothing_of_it(
    tmp_path: Path, url: str, why: str
) -> None:
    said = refusal(tmp_path, DATABASE, url)
    assert f"redis.url (ROUTER_REDIS_URL): {why}" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgres://h",
        "postgres:///d?host=/var/run/postgresql",
        "postgresql://?host=h&user=a@b",
        "postgres://u:p%40ss%2Fw@db.internal:5432/gateway?sslmode=verify-full",
        "postgres://u@a:5432,b:5433/d?target_session_attrs=read-write",
        "postgres://u:p#s?s@[fd00::1]:5432/d",
        "postgres://u@[fe80::1%25eth0]/d",
    ],
)
def test_what_libpq_understands_is_taken_as_it_is(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, url, REDIS).database.url == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:6379/",
        "redis://:p%40ss@h:6379/15",
        "redis://user:p@[::1]:6379/0",
        "rediss://h:6380/0?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=required",
        "redis://h?db=3&username=a@b",
        "unix:///run/redis/redis.sock?db=1",
        "unix://user:p@/run/redis/redis.sock",
    ],
)
def test_what_clients_of_redis_understand_is_taken_as_it_is(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, DATABASE, url).redis.url == url
