"""Checks the address of a store before a client connects with it. Pure; no part of an address is shown.

A client that parses a wrong address takes a part of the password for a host and names it in an error, or uses
database 0 if the database is not a number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.config.errors import ConfigProblem, nearest
from gateway.config.fields import LAST_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRES, REDIS = ("postgres", "postgresql"), ("redis", "rediss", "unix")
_DATABASE_HINT = "write it like postgres://user:password@host:5432/name"
_REDIS_HINT = "write it like redis://host:6379/0"
_SOCKET_HINT = "write it like unix:///run/redis/redis.sock?db=0"
_CODES = "in user and password write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25"
# Parameters that every Redis client of the gateway supports (redis-py, "ConnectionPool.from_url").
_TLS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_OTHERS = (
    "db",
    "username",
    "password",
    "protocol",
    "client_name",
    "health_check_interval",
    "max_connections",
)
_WAITS = ("socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry_on_timeout", "timeout")
PARAMETERS = (*_TLS, *_OTHERS, *_WAITS)


def of_database(url: str) -> Iterator[ConfigProblem]:
    """Yield what makes libpq misread an address (PostgreSQL, "Connection URIs")."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in POSTGRES:
        yield ConfigProblem("database.url", "is not a PostgreSQL address", _DATABASE_HINT)
        return
    head, _, path = rest.partition("/")
    place, _, query = head.partition("?")
    authority = place if "=" in query else head
    is_split = "@" not in authority and "@" in path.partition("?")[0]
    yield from _codes("database.url", url, is_split=is_split or authority.count("@") > 1)
    if not is_split:
        hosts = authority.rpartition("@")[2].split(",")
        yield from _ports("database.url", hosts, _DATABASE_HINT)


def of_redis(url: str) -> Iterator[ConfigProblem]:
    """Yield what makes Redis clients misread an address."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in REDIS:
        yield ConfigProblem("redis.url", "is not a Redis address", _REDIS_HINT)
        return
    end = re.search(r"[/?#]", rest)
    authority, behind = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    path, _, query = behind.partition("?")
    is_split = "@" in path or (bool(query) and "=" not in query.partition("@")[0]) or "#" in behind
    yield from _codes("redis.url", url, is_split=is_split or authority.count("@") > 1)
    if is_split:
        return
    if scheme == "unix":
        if authority.rpartition("@")[2] or not path.strip("/"):
            yield ConfigProblem("redis.url", "names no socket", _SOCKET_HINT)
    else:
        yield from _ports("redis.url", [authority.rpartition("@")[2]], _REDIS_HINT)
        if not re.fullmatch(r"/?[0-9]{0,9}", path):
            yield ConfigProblem(
                "redis.url", "names no database: behind the host stands a number", _REDIS_HINT
            )
    yield from _parameters(query)


def passwords_of(*urls: str) -> tuple[str, ...]:
    """Return the passwords in valid addresses, as written and decoded."""
    found: list[str] = []
    for parts in map(urlsplit, urls):
        found += parse_qs(parts.query).get("password", [])
        found += [each for each in (parts.password, unquote(parts.password or "")) if each]
    return tuple(dict.fromkeys(found))


def _codes(where: str, url: str, *, is_split: bool) -> Iterator[ConfigProblem]:
    if is_split or re.search(r"%(?![0-9A-Fa-f]{2})", url):
        yield ConfigProblem(
            where, "cannot be taken apart: its user or password has a character with a meaning", _CODES
        )


def _ports(where: str, hosts: list[str], hint: str) -> Iterator[ConfigProblem]:
    for host in hosts:
        name, colon, port = host.rpartition(":") if re.search(r":[^\]]*$", host) else (host, "", "")
        if ("[" in name or "]" in name) and not re.fullmatch(r"\[[0-9A-Fa-f:.]+(%25\w+)?\]", name):
            yield ConfigProblem(
                where, "has a [ or ] that belongs to no IPv6 address", "write it like [fd00::1]:5432"
            )
        elif ":" in name and not name.startswith("["):
            yield ConfigProblem(
                where, "has a host with several colons", "write an IPv6 address in brackets: [fd00::1]"
            )
        elif colon and not (port.isascii() and port.isdecimal() and 0 < int(port) <= LAST_PORT):
            yield ConfigProblem(where, f"has a port that is no number from 1 to {LAST_PORT}", hint)


def _parameters(query: str) -> Iterator[ConfigProblem]:
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name not in PARAMETERS:
            hint = nearest(name, PARAMETERS) or f"known: {', '.join(PARAMETERS)}"
            yield ConfigProblem("redis.url", f"has an unknown parameter {name[:40]!r}", hint)
        elif name == "db" and not (value.isascii() and value.isdecimal()):
            yield ConfigProblem("redis.url", "has a db that is no number", _REDIS_HINT)
