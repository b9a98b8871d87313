"""The HTTP front end of the gateway; holds the version of the whole."""

from __future__ import annotations

__version__ = "0.1.0.dev0"  # for pyproject.toml, `manage.py version` and the tag of a release
