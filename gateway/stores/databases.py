"""Where the tables are: SQLite under data_dir, or PostgreSQL by URL, as Django's settings. Costs nothing per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

from gateway.config import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config.sections.stores import Database

LEDGER = "ledger"  # the alias, on PostgreSQL, of patient connections outside the pool: shipper, migrations, exports
CONNECT_TIMEOUT_S = 3
WEB_STATEMENT_MS = 5_000
WEB_LOCK_MS = 2_000
PATIENT_STATEMENT_MS = 600_000
PATIENT_LOCK_MS = 30_000
POOL_WAIT_S = 2.0  # then the page is a 503
POOL_GIVE_UP_S = 2.0  # then the next query tries at once: the pool's own pauses outlast the outage


def django_databases(database: Database, data_dir: Path) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES. Raises ConfigError for a URL that PostgreSQL's own library cannot read."""
    if not database.url:
        return {"default": _sqlite(data_dir)}
    place, extra = _parts(database.url)
    return {
        "default": {
            **place,
            "CONN_MAX_AGE": 0,  # back to the pool after each request
            "CONN_HEALTH_CHECKS": True,  # one round trip per checkout: a restarted server costs no failed request
            "OPTIONS": {**_options(extra, WEB_STATEMENT_MS, WEB_LOCK_MS), "pool": _pool(database)},
        },
        LEDGER: {
            **place,
            "CONN_MAX_AGE": 0,  # the shipper's thread ends no request, so it keeps its connection
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": _options(extra, PATIENT_STATEMENT_MS, PATIENT_LOCK_MS),
            "TEST": {"MIRROR": "default"},
        },
    }


def background_alias() -> str:
    """Return the alias for work that may take long; with SQLite there is only one."""
    return LEDGER if LEDGER in connections.databases else "default"


def _sqlite(data_dir: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": data_dir / "gateway.sqlite3",
        "OPTIONS": {
            "timeout": 10,
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
                "PRAGMA journal_size_limit=67108864;PRAGMA cache_size=-2000;PRAGMA temp_store=FILE;"
            ),
        },
        "TEST": {"NAME": data_dir / "test.sqlite3"},  # a file: async views use the ORM from other threads
    }


def _parts(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a URL into the settings that Django names and those passed to libpq (sslmode, several hosts ...)."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - embedded mode does without
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError as error:
        raise ConfigError(f"database.url: {' '.join(str(error).split())}") from None
    place = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "") or "postgres",
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
    }
    return place, parts


def _options(extra: dict[str, Any], statement_ms: int, lock_ms: int) -> dict[str, Any]:
    """Return libpq's options; those in the URL win. A server that hangs is detected within 10 s."""
    limits = f"-c statement_timeout={statement_ms} -c lock_timeout={lock_ms}"
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "open-model-gateway",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "tcp_user_timeout": 10_000,
        **extra,
        "options": f"{limits} {extra.get('options', '')}".strip(),
    }


def _pool(database: Database) -> dict[str, Any]:
    return {
        "min_size": database.min_conns,
        "max_size": database.max_conns,
        "max_idle": database.max_conn_idle_time,
        "max_lifetime": database.max_conn_lifetime,
        "timeout": POOL_WAIT_S,
        "reconnect_timeout": POOL_GIVE_UP_S,
    }
