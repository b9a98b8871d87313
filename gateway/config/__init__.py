"""The typed configuration: YAML, `.env` and environment become one frozen value. Imports none of our other packages."""

from __future__ import annotations

from gateway.config.errors import ConfigError
from gateway.config.loading import load
from gateway.config.model import Config

__all__ = ["Config", "ConfigError", "load"]
