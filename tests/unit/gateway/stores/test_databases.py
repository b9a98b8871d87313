"""What a database URL means, and what the settings of shared stores are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError
from gateway.config.sections.stores import Database, Redis
from gateway.stores.caches import channel_layers, django_caches
from gateway.stores.databases import LEDGER, django_databases

HERE = Path("/data")


def test_no_url_is_sqlite_under_data_dir() -> None:
    databases = django_databases(Database(), HERE)

    assert list(databases) == ["default"]
    assert databases["default"]["NAME"] == HERE / "gateway.sqlite3"


def test_a_url_is_split_into_its_parts_and_the_rest_goes_to_libpq() -> None:
    url = "postgres://ann:p%40ss@db.example:6543/books?sslmode=require&target_session_attrs=read-write"

    database = django_databases(Database(url=url), HERE)["default"]

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("ann", "p@ss")
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", "6543", "books")
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["target_session_attrs"] == "read-write"


def test_several_hosts_and_a_socket_may_be_named() -> None:
    many = django_databases(Database(url="postgresql://a,b:2/books"), HERE)["default"]
    socket = django_databases(Database(url="postgresql:///books?host=/run/postgresql"), HERE)["default"]

    assert (many["HOST"], many["NAME"]) == ("a,b", "books")
    assert socket["HOST"] == "/run/postgresql"


def test_connections_of_pages_are_pooled_with_short_timeouts_unlike_the_ledgers() -> None:
    databases = django_databases(Database(url="postgres://db/x", min_conns=1, max_conns=7), HERE)

    web, ledger = databases["default"]["OPTIONS"], databases[LEDGER]["OPTIONS"]
    assert (web["pool"]["min_size"], web["pool"]["max_size"]) == (1, 7)
    assert "statement_timeout=5000" in web["options"]
    assert "pool" not in ledger
    assert "statement_timeout=600000" in ledger["options"]


def test_options_of_the_url_win() -> None:
    url = "postgres://db/x?connect_timeout=9&options=-c%20statement_timeout%3D1"

    options = django_databases(Database(url=url), HERE)["default"]["OPTIONS"]

    assert options["connect_timeout"] == "9"
    assert options["options"].endswith("-c statement_timeout=1")  # the server takes the last


def test_a_url_that_libpq_cannot_read_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError, match=r"^database\.url: ") as refused:
        django_databases(Database(url="postgres://ann:hidden@db:port/x?nonsense=1"), HERE)

    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "number", "address"),
    [
        ("redis://r:6379", 0, "redis://r:6379"),
        ("redis://r:6379", 3, "redis://r:6379/3"),
        ("redis://r:6379/1", 3, "redis://r:6379/1"),
        ("unix:///run/redis.sock", 3, "unix:///run/redis.sock?db=3"),
        ("unix:///run/redis.sock?db=1", 3, "unix:///run/redis.sock?db=1"),
    ],
)
def test_the_number_of_the_logical_database_counts_where_the_url_names_none(
    url: str, number: int, address: str
) -> None:
    assert Redis(url=url, db=number).url == address


def test_cache_and_channels_are_shared_only_when_there_is_a_redis() -> None:
    alone, shared = Redis(), Redis(url="redis://r:6379/0")

    assert "locmem" in django_caches(alone)["default"]["BACKEND"]
    assert "InMemory" in channel_layers(alone)["default"]["BACKEND"]
    assert django_caches(shared)["default"]["LOCATION"] == "redis://r:6379/0"
    assert channel_layers(shared)["default"]["CONFIG"]["hosts"] == ["redis://r:6379/0"]
