"""The whole configuration as one frozen value. gateway/config/loading.py builds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from gateway.config.fields import Section, internal
from gateway.config.sections.bootstrap import Bootstrap
from gateway.config.sections.files import Audio, Batches, Files
from gateway.config.sections.health import Health
from gateway.config.sections.limits import Budgets, RateLimits
from gateway.config.sections.model_catalog import ModelEntry
from gateway.config.sections.process import (
    Idempotency,
    Metering,
    Observability,
    Reporting,
    Retention,
    Security,
    Server,
    Streams,
)
from gateway.config.sections.sign_in import Admin, Providers
from gateway.config.sections.stores import Database, Redis


class Config(Section):
    data_dir: Path = Field(
        Path("./data"), description="SQLite, journal and files; relative to the working directory."
    )
    server: Server = Server()
    database: Database = Database()
    redis: Redis = Redis()
    metering: Metering = Metering()
    security: Security = Security()
    streams: Streams = Streams()
    rate_limits: RateLimits = RateLimits()
    budgets: Budgets = Budgets()
    reporting: Reporting = Reporting()
    retention: Retention = Retention()
    idempotency: Idempotency = Idempotency()
    observability: Observability = Observability()
    health: Health = Health()
    providers: Providers = Providers()
    files: Files = Files()
    audio: Audio = Audio()
    batches: Batches = Batches()
    admin: Admin = Admin()
    model_catalog: tuple[ModelEntry, ...] = Field((), description="Models and where they are served.")
    bootstrap: Bootstrap = Bootstrap()
    warnings: tuple[str, ...] = internal(())  # accepted but inadvisable settings, for `check` and startup
    file: Path | None = internal(None)  # the file that was read
    tidied: tuple[tuple[str, str], ...] = internal(())  # keys that were trimmed, and what was removed
    idle: tuple[tuple[str, str], ...] = internal(())  # keys set without effect, and what applies instead

    @property
    def embedded(self) -> bool:
        """One process on SQLite; production mode has PostgreSQL and Redis."""
        return not (self.database.url and self.redis.url)

    @model_validator(mode="before")
    @classmethod
    def _complete_rows(cls, data: Any) -> Any:
        """Fill in the name, strategy and idle timeout of each catalog row from other rows and the server section."""
        if not isinstance(data, dict) or not isinstance(data.get("model_catalog"), list | tuple):
            return data
        server = data.get("server")
        idle = server.get("stream_idle_timeout") if isinstance(server, dict) else None
        return {**data, "model_catalog": _completed(data["model_catalog"], idle)}


def _completed(rows: list[Any] | tuple[Any, ...], idle: Any) -> list[Any]:
    seen: dict[Any, int] = {}
    strategies = {
        str(row["alias"]): row["strategy"]
        for row in reversed(rows)
        if isinstance(row, dict) and {"alias", "strategy"} <= row.keys()
    }
    done: list[Any] = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("alias"), str):
            done.append(row)
            continue
        alias = row["alias"]
        seen[alias] = seen.get(alias, 0) + 1
        full = {"strategy": strategies[alias], **row} if alias in strategies else dict(row)
        if not full.get("deployment") and not _named_in_block(full):
            full["deployment"] = f"{alias}-{seen[alias]}"
        timeouts = full.get("timeouts") or {}
        if idle is not None and isinstance(timeouts, dict):
            full["timeouts"] = {"idle": idle, **timeouts}
        done.append(full)
    return done


def _named_in_block(row: dict[str, Any]) -> bool:
    return any(
        isinstance(block, dict) and block.get("deployment") for key, block in row.items() if key != "metadata"
    )
