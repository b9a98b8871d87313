"""THE FRONT DOOR of the gateway; the version of the whole is here."""

from __future__ import annotations

__version__ = "0.1.0.dev0"  # of pyproject.toml, `manage.py version` and the tag of a release
