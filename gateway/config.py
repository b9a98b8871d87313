"""The typed configuration: YAML + .env + environment. (Being written; see settings.py for who reads it.)"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Server(BaseModel):
    production: bool = False


class ConfigError(Exception):
    """Raised for a configuration that cannot be used; the text names the key's path and a hint."""


class Server(BaseModel):
    production: bool = False


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    data_dir: Path = Path("./data")
    server: Server = Server()


def load() -> Config:
    """Return the configuration; raise ConfigError for the first thing wrong with it."""
    return Config()
