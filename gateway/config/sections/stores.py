"""Sections of the stores: PostgreSQL and Redis. Data only."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import Field, model_validator

from gateway.config.fields import Count, Duration, Section, Wait


class Database(Section):
    url: str = Field(
        "", repr=False, description="PostgreSQL. Empty: SQLite under `data_dir` (embedded mode)."
    )
    run_migrations: bool = Field(default=True, description="Migrate when `serve` starts.")
    migrations_dir: str = Field(
        "./migrations", description="Accepted for old files; migrations ship with the program."
    )
    max_conns: Count = Field(20, description="Largest number of connections of one process.")
    min_conns: int = Field(2, ge=0, description="Connections kept open.")
    max_conn_idle_time: Wait = Field(600.0, description="An idle connection is closed after this.")
    max_conn_lifetime: Wait = Field(3600.0, description="A connection is replaced after this.")
    start_timeout: Duration = Field(
        60.0, description="How long `serve` waits for the stores before it gives up."
    )


class Redis(Section):
    url: str = Field(
        "", repr=False, description="Shared counters. Empty: inside the process (embedded mode)."
    )
    db: int = Field(0, ge=0, description="Logical database, where the URL names none.")
    pool_size: Count = Field(20, description="Largest number of connections of one process.")
    allow_insecure: bool = Field(
        default=False,
        description="With `server.production`, allow a Redis of another machine without password or TLS.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_its_database(cls, data: Any) -> Any:
        """Write `db` into the URL, the only value that clients connect with."""
        url, number = (data.get("url"), str(data.get("db") or 0)) if isinstance(data, dict) else ("", "")
        if not (isinstance(url, str) and url and number.isdecimal() and int(number)):
            return data
        try:
            parts = urlsplit(url)
        except ValueError:
            return data  # the address check refuses it
        is_socket = parts.scheme == "unix"
        if "db" in dict(parse_qsl(parts.query)) or (not is_socket and parts.path.strip("/")):
            return data
        if is_socket:
            return {**data, "url": f"{url}{'&' if parts.query else '?'}db={number}"}
        return {**data, "url": urlunsplit(parts._replace(path=f"/{number}"))}
